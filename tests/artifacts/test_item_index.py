"""The index beside a promoted model: what is written is read, and what nobody wrote is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from adrec_cli.artifacts.item_index import (
    IndexRecord,
    read_index_of,
    read_index_record,
    read_item_index,
    write_item_index,
)
from adrec_cli.artifacts.promotion import index_beside
from adrec_cli.artifacts.tensor_file import write_tensors
from adrec_cli.errors import ArtifactError

RECORD = IndexRecord(checkpoint_sha256="a" * 64, items=5, width=3, recall=0.995, queries=7, pool=400)
CODES = (np.arange(48, dtype=np.float32).reshape(3, 16), np.arange(10, dtype=np.uint8).reshape(5, 2))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = index_beside(tmp_path / "abc.safetensors")
    write_item_index(path, RECORD, CODES)
    record, codes = read_item_index(path)
    assert record == RECORD == read_index_record(path, RECORD.checkpoint_sha256)
    assert codes is not None
    assert [array.tolist() for array in codes] == [array.tolist() for array in CODES]
    assert read_index_of(tmp_path / "abc.safetensors", RECORD.checkpoint_sha256) is not None


def test_that_none_is_good_enough_is_remembered(tmp_path: Path) -> None:
    none = dataclasses.replace(RECORD, pool=0, recall=0.9)
    path = index_beside(tmp_path / "abc.safetensors")
    write_item_index(path, none, None)
    assert read_item_index(path) == (none, None)
    assert read_index_record(path, none.checkpoint_sha256) == none
    assert read_index_of(tmp_path / "abc.safetensors", none.checkpoint_sha256) is None


def test_an_index_of_another_model_is_none(tmp_path: Path) -> None:
    path = index_beside(tmp_path / "abc.safetensors")
    write_item_index(path, RECORD, CODES)
    assert read_index_record(path, "b" * 64) is None
    assert read_index_record(tmp_path / "nothing", "b" * 64) is None
    with pytest.raises(ArtifactError, match="of another model than abc"):
        read_index_of(tmp_path / "abc.safetensors", "b" * 64)


def test_damage_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "abc.items.index"
    write_item_index(path, RECORD, CODES)
    whole = path.read_bytes()
    for place in range(8, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ArtifactError, match="damaged"):
            read_item_index(path)


@pytest.mark.parametrize(
    ("codes", "changed"),
    [
        (CODES, {"items": "6"}),
        (CODES, {"items": "-5"}),
        (CODES, {"recall": "2"}),
        (CODES, {"recall": "nan"}),
        (CODES, {"pool": "many"}),
        (CODES, {"kind": "item vectors"}),
        ((CODES[0].astype(np.float64), CODES[1]), {}),
        ((np.full_like(CODES[0], np.inf), CODES[1]), {}),
        ((CODES[0], CODES[1].astype(np.int8)), {}),
        ((CODES[0][:, :8], CODES[1]), {}),
    ],
)
def test_numbers_that_are_none_of_an_index_are_refused(tmp_path: Path, codes, changed) -> None:
    """Its checksum is right, but adrec has not written it."""
    path = tmp_path / "abc.items.index"
    text = {name: str(value) for name, value in dataclasses.asdict(RECORD).items()}
    tensors = {name: torch.from_numpy(array.copy()) for name, array in zip(("centroids", "codes"), codes, strict=True)}
    write_tensors(path, tensors, {"format_version": "1", "kind": "item index", **text, **changed})
    with pytest.raises(ArtifactError, match="damaged"):
        read_item_index(path)
