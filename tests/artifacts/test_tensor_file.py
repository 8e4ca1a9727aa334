"""Files of tensors: the library's own bytes, and memory for no tensor more than needed."""

from __future__ import annotations

import functools
import hashlib
import json
import resource
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save

from adrec_cli.artifacts.tensor_file import open_tensors, write_tensors
from adrec_cli.errors import ArtifactError
from tests.examples import tries
from tests.robustness.processes import typed

DTYPES = [
    torch.uint64, torch.int64, torch.float64, torch.complex64, torch.float32, torch.uint32, torch.int32,
    torch.bfloat16, torch.float16, torch.uint16, torch.int16, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip
SHAPES = [(), (0,), (3,), (2, 0), (1, 2, 3)]
HALF = 2**26
"""Bytes of the tensors whose memory is measured."""


def by_the_library(tensors: dict[str, torch.Tensor], text: dict[str, str]) -> bytes:
    """Return the library's bytes, with its texts, which it writes in any order, sorted."""
    content = save(tensors, metadata=text)
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)
    return struct.pack("<Q", len(encoded)) + encoded + content[8 + length :]


names = st.text("ab/.ø", min_size=1, max_size=4)


@settings(max_examples=tries(60), deadline=None)
@given(st.dictionaries(names, st.tuples(st.sampled_from(DTYPES), st.sampled_from(SHAPES)), max_size=6))
def test_a_file_has_the_bytes_that_the_library_writes(tmp_path_factory, described):
    path = tmp_path_factory.mktemp("written") / "t.safetensors"
    tensors = {
        name: torch.arange(max(1, torch.Size(shape).numel()))[: torch.Size(shape).numel()].reshape(shape).to(dtype)
        for name, (dtype, shape) in described.items()
    }
    write_tensors(path, tensors, {"b": "ø", "a": "1"})
    with open_tensors(path) as file:
        loaded, sha256 = file.load()
        file.verify(finite=True)
        assert file.text == {"a": "1", "b": "ø"}
    content = path.read_bytes()
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert {name: (t.dtype, t.tolist()) for name, t in loaded.items()} == {
        name: (t.dtype, t.tolist()) for name, t in tensors.items()
    }
    if tensors:
        assert load_file(path).keys() == tensors.keys()
    (length,) = struct.unpack("<Q", content[:8])
    checksum = json.loads(content[8 : 8 + length])["__metadata__"]["content_sha256"]
    assert content == by_the_library(tensors, {"b": "ø", "a": "1", "content_sha256": checksum})


def test_tensors_that_are_not_contiguous_are_written_as_they_are_read(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    write_tensors(tmp_path / "t", {"turned": whole.T, "some": whole[:, 1]}, {})
    with open_tensors(tmp_path / "t") as file:
        loaded, _ = file.load()
    assert torch.equal(loaded["turned"], whole.T)
    assert torch.equal(loaded["some"], whole[:, 1])


def test_a_known_hash_takes_the_place_of_the_checksum(tmp_path):
    path = tmp_path / "t"
    write_tensors(path, {"w": torch.ones(3)}, {})
    with open_tensors(path) as file:
        assert file.load(sha256=hashlib.sha256(path.read_bytes()).hexdigest())[0]["w"].tolist() == [1, 1, 1]
        with pytest.raises(ArtifactError, match="damaged"):
            file.load(sha256="0" * 64)


def test_what_another_has_read_is_held_against_what_the_file_must_have(tmp_path):
    """Memory that another process has filled is taken as it is, and only its hash is known."""
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"w": torch.arange(3.0), "a": torch.arange(2)}, {"b": "1"})
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    asked = []

    def once(identity, sizes, fill):
        asked.append(identity)
        own = [np.empty(size, dtype=np.uint8) for size in sizes]
        return own, fill(own)

    def elsewhere(identity, sizes, _fill):
        asked.append(identity)
        return [np.full(size, 0, dtype=np.uint8) for size in sizes], "another"

    with open_tensors(path) as file:
        tensors, found = file.load(once=once)
        assert ({name: one.tolist() for name, one in tensors.items()}, found) == ({"a": [0, 1], "w": [0, 1, 2]}, sha256)
        tensors, found = file.load(once=elsewhere)
        assert (tensors["w"].tolist(), found) == ([0, 0, 0], "another")
        with pytest.raises(ArtifactError, match="does not match"):
            file.load(sha256=sha256, once=elsewhere)
        assert file.load(once=lambda *_: None)[1] == sha256, "where there is none to be had, one's own"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with open_tensors(path) as file, pytest.raises(ArtifactError, match="does not match"):
        file.load(once=once)
    write_tensors(path, {"w": torch.arange(3.0), "a": torch.arange(2)}, {"b": "1"})
    with open_tensors(path) as file:
        file.load(once=once)
    # Equal for one file, another once it was changed or exchanged.
    assert [asked[0]] * 3 == asked[:3]
    assert len(set(asked)) == 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_what_is_not_finite_is_found_in_any_chunk(tmp_path, monkeypatch, bad, dtype):
    monkeypatch.setattr("adrec_cli.artifacts.tensor_file._CHUNK_BYTES", 16)
    for position in (0, 7, 20):
        values = torch.zeros(21, dtype=dtype)
        values[position] = bad
        write_tensors(tmp_path / "t", {"a": torch.zeros(2), "w": values}, {})
        with open_tensors(tmp_path / "t") as file:
            file.verify(finite=False)
            with pytest.raises(ArtifactError, match="tensor w has values that are not finite"):
                file.verify(finite=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_tensors_lie_where_pytorch_would_put_them(tmp_path, dtype, shape):
    """A product's last bits may depend on where its numbers begin."""
    write_tensors(tmp_path / "t", {"a": torch.ones(shape, dtype=dtype), "b": torch.ones(5)}, {})
    with open_tensors(tmp_path / "t") as file:
        loaded, _ = file.load()
    assert loaded["a"].dtype == dtype
    assert loaded["a"].shape == shape
    assert all(tensor.data_ptr() % 64 == 0 for tensor in loaded.values())
    assert loaded["a"] is loaded["a"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_what_was_loaded_says_what_of_it_is_not_finite(tmp_path, bad, dtype):
    values = torch.zeros(9, dtype=dtype)
    values[4] = bad
    largest = torch.full((3,), torch.finfo(dtype).max, dtype=dtype)
    write_tensors(tmp_path / "t", {"good": largest, "bad": values, "whole": torch.ones(2, dtype=torch.int64)}, {})
    with open_tensors(tmp_path / "t") as file:
        assert file.load()[0].not_finite() == ["bad"]


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write_and_read_large(folder: Path) -> None:
    """Note how much more memory writing, verifying and loading a large tensor take."""
    large = {"large": torch.ones(HALF // 4), "small": torch.ones(8, dtype=torch.int64)}
    before = peak()
    write_tensors(folder / "t", large, {"a": "b"})
    written = peak() - before
    del large
    with open_tensors(folder / "t") as file:
        before = peak()
        file.verify(finite=True)
        verified = peak() - before
        before = peak()
        file.load()
        loaded = peak() - before
    (folder / "peaks").write_text(json.dumps([written, verified, loaded]))
    sys.exit(0)


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read as Linux tells it")
def test_nothing_large_is_held_twice(tmp_path):
    ended = typed([], tmp_path, functools.partial(write_and_read_large, tmp_path))
    assert ended.exit_code == 0, ended.stderr
    written, verified, loaded = json.loads((tmp_path / "peaks").read_text())
    assert written < HALF / 4
    assert verified < HALF / 4
    # It has the room of what was written, which is gone.
    assert loaded < HALF / 4
