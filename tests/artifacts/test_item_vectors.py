"""The hash of encoders: of all that decides their vectors, and of nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adrec_cli.artifacts.item_vectors import EncoderRecord, _encoders_sha256

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
