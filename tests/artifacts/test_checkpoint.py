"""Checkpoints: whole, of their kind, the same bytes each time; anything else is refused with one line."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from adrec_cli.artifacts.checkpoint import load_checkpoint, load_state, save_checkpoint, save_state
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata, read_metadata
from adrec_cli.errors import ArtifactError
from tests.damage import overwrite

METADATA = CheckpointMetadata(
    model="adrec", stage="pretrain", output="condition", config={"hidden_size": 16, "lambda": 0.001}, training={},
    dataset="tiny", sequences_sha256="a" * 64, items_sha256="b" * 64, item_count=3, parent_sha256="", run_key="k",
    epoch=2, step=10, metrics={"protocol": "loo/full/valid", "monitor": "ndcg@10", "values": {"ndcg@10": 0.25}},
    seed=1, threads=2, adrec_version="0", torch_version="2",
)  # fmt: skip
TENSORS = {"b": torch.arange(4.0), "a": torch.ones(2, 3), "whole": torch.tensor([1, 2])}


def test_round_trip(tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", TENSORS, METADATA)
    tensors, metadata = load_checkpoint(tmp_path / "c.safetensors")
    assert metadata == METADATA == read_metadata(tmp_path / "c.safetensors")
    assert set(tensors) == set(TENSORS)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in TENSORS.items())


def test_what_it_goes_on_from_is_told_where_it_learned_from_other_data(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, TENSORS, METADATA)
    assert not any(name in path.read_bytes() for name in (b"former_sequences", b'"cut"')), "as it was before"
    heir = dataclasses.replace(METADATA, former_sequences=["c" * 64])
    save_checkpoint(path, TENSORS, heir)
    assert read_metadata(path) == heir
    assert heir.all_sequences == {"a" * 64, "c" * 64}


def test_the_same_content_gives_the_same_bytes(tmp_path):
    contents = set()
    for number in range(8):
        path = tmp_path / f"{number}.safetensors"
        save_checkpoint(path, TENSORS, METADATA)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_every_flipped_byte_and_every_cut_is_refused_or_harmless(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, TENSORS, METADATA)
    whole = path.read_bytes()
    expected = {name: tensor.tolist() for name, tensor in TENSORS.items()}
    for position in range(len(whole)):
        overwrite(path, whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            tensors, metadata = load_checkpoint(path)
        except ArtifactError as error:
            assert str(path) in str(error)
        else:
            assert {name: tensor.tolist() for name, tensor in tensors.items()} == expected
            assert metadata == METADATA
    for length in range(len(whole)):
        overwrite(path, whole[:length])
        with pytest.raises(ArtifactError):
            load_checkpoint(path)


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the header of a checkpoint's file, its tensors' bytes as they were."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    change(header)
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content[8 + length :])


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["b"].update(dtype="I32"),
        lambda header: header["a"].update(shape=[3, 2]),
        lambda header: header.update(c=header.pop("b")),
        lambda header: header["__metadata__"].update(dataset="other"),
        lambda header: header["__metadata__"].pop("content_sha256"),
    ],
    ids=["type", "shape", "name", "text", "no checksum"],
)
def test_the_checksum_holds_names_types_shapes_and_text(tmp_path, change):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, TENSORS, METADATA)
    rewritten(path, lambda header: None)
    load_checkpoint(path)
    rewritten(path, change)
    with pytest.raises(ArtifactError, match="checksum"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[
            (name, value)
            for name in ("epoch", "step", "item_count", "seed", "threads")
            for value in (-1, 2**63, 2**64, True, 1.0)
        ],
        *[(name, value) for name in ("model", "stage") for value in ("", "../x", "adrec\n", "a" * 41, "A")],
        ("config", [1]),
        ("former_sequences", {"a": 1}),
        ("former_sequences", [1]),
        ("cut", [1]),
        *[("cut", {"valid_from": moment}) for moment in (5, [], "soon", "2024-13-01T00:00:00Z")],
        ("metrics", {"protocol": "p", "monitor": "m", "values": {"m": "1"}}),
        ("metrics", {"protocol": "p", "values": {}}),
    ],
)
def test_metadata_nobody_could_have_written_are_refused(tmp_path, field, value):
    """Their checksum is right: whoever wrote them was a program, but not this one."""
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, TENSORS, dataclasses.replace(METADATA, **{field: value}))
    for read in (read_metadata, load_checkpoint):
        with pytest.raises(ArtifactError, match=field):
            read(path)


@pytest.mark.parametrize("name", ["x" * count for count in range(9)])
def test_tensors_begin_at_a_multiple_of_eight_bytes(tmp_path, name):
    """So that a reader may map them as numbers of any type."""
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, TENSORS, dataclasses.replace(METADATA, dataset=name))
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    assert length % 8 == 0


def test_what_was_loaded_stays_when_the_file_is_written_over(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, TENSORS, METADATA)
    loaded, _ = load_checkpoint(path)
    with open(path, "r+b") as file:
        file.seek(-16, 2)
        file.write(b"\xff" * 16)
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in TENSORS.items())


def test_weights_that_are_not_finite_are_refused(tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", {"w": torch.tensor([1.0, float("nan")])}, METADATA)
    with pytest.raises(ArtifactError, match="tensor w has values that are not finite"):
        load_checkpoint(tmp_path / "c.safetensors")


def test_another_format_version_is_named(tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", TENSORS, dataclasses.replace(METADATA, format_version=99))
    with pytest.raises(ArtifactError, match="format version 99"):
        load_checkpoint(tmp_path / "c.safetensors")


def test_a_file_of_somebody_else_is_refused(tmp_path):
    save_file(TENSORS, tmp_path / "other.safetensors")
    with pytest.raises(ArtifactError):
        load_checkpoint(tmp_path / "other.safetensors")
    with pytest.raises(ArtifactError, match="not a checkpoint of adrec"):
        read_metadata(tmp_path / "other.safetensors")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"none\.safetensors does not exist"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_state_round_trip(tmp_path):
    save_state(tmp_path / "s.safetensors", TENSORS, {"position": "{}", "log": "ø\n東京"})
    tensors, text = load_state(tmp_path / "s.safetensors")
    assert text["log"] == "ø\n東京"
    assert set(tensors) == set(TENSORS)
