"""The hash of encoders, of all that decides their vectors and of nothing else; and files that are none of vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adrec_cli.artifacts.item_vectors import (
    EncoderRecord,
    ItemVectors,
    _encoders_sha256,
    ids_sha256,
    read_item_vectors,
    read_item_vectors_header,
    write_item_vectors,
)
from adrec_cli.artifacts.tensor_file import open_tensors, write_tensors
from adrec_cli.errors import ArtifactError

TITLES = EncoderRecord(
    name="tfidf", columns=("title",), width=4,
    arrays={"idf": np.arange(3, dtype=np.float32), "basis": np.ones((2, 3), dtype=np.float16)},
)  # fmt: skip
BRANDS = EncoderRecord(name="categories", columns=("brand",), width=2, arrays={"values": np.arange(4, dtype=np.uint8)})


def arrays(**changed: np.ndarray) -> EncoderRecord:
    return replace(TITLES, arrays=TITLES.arrays | changed)


@pytest.mark.parametrize(
    "other",
    [
        [replace(TITLES, name="words"), BRANDS],
        [replace(TITLES, columns=("title", "brand")), BRANDS],
        [replace(TITLES, width=5), BRANDS],
        [arrays(idf=np.array([0, 1, 3], dtype=np.float32)), BRANDS],
        [arrays(basis=np.zeros((2, 3), dtype=np.float16)), BRANDS],
        [arrays(basis=np.ones((3, 2), dtype=np.float16)), BRANDS],
        [arrays(more=np.ones(1, dtype=np.float32)), BRANDS],
        [replace(TITLES, arrays={"idf": TITLES.arrays["idf"]}), BRANDS],
        [replace(TITLES, arrays={"other": TITLES.arrays["idf"], "basis": TITLES.arrays["basis"]}), BRANDS],
        [TITLES, replace(BRANDS, arrays={"values": np.array([0, 1, 2, 4], dtype=np.uint8)})],
        [TITLES],
        [BRANDS, TITLES],
    ],
)
def test_whatever_decides_the_vectors_is_in_the_hash(other: list[EncoderRecord]) -> None:
    assert _encoders_sha256(other) != _encoders_sha256([TITLES, BRANDS])


def test_the_order_of_arrays_is_not() -> None:
    turned = replace(TITLES, arrays=dict(reversed(TITLES.arrays.items())))
    assert _encoders_sha256([turned, BRANDS]) == _encoders_sha256([TITLES, BRANDS])


def file_of(folder: Path) -> tuple[Path, dict[str, torch.Tensor], dict[str, str]]:
    """Write vectors of three items; return the file, its tensors, and its texts."""
    vectors = ItemVectors(
        dataset="shop", ids_sha256=ids_sha256("abc"), items_sha256="0" * 64, files={}, encoders=(TITLES, BRANDS),
        vectors_VC=np.ones((3, 6), dtype=np.float16),
    )  # fmt: skip
    path = write_item_vectors(folder, vectors)
    assert read_item_vectors(folder).encoders_sha256 == vectors.encoders_sha256
    with open_tensors(path) as file:
        return path, file.load()[0], dict(file.text)


@pytest.mark.parametrize("read", [read_item_vectors, read_item_vectors_header])
def test_a_file_with_a_text_too_few_or_too_many_is_refused(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path, tensors, text = file_of(tmp_path)
    others = [{key: value for key, value in text.items() if key != left_out} for left_out in text]
    for other in [{}, *others, {**text, "more": "x"}, {**text, "kind": "another"}]:
        write_tensors(path, tensors, other)
        with pytest.raises(ArtifactError, match="is damaged: it holds no vectors of items") as refused:
            read(tmp_path)
        assert refused.value.hint == f"make it with: adrec encode {tmp_path.name}"
    write_tensors(path, tensors, text)
    read(tmp_path)
