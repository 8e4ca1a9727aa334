"""The header of a safetensors file read without PyTorch says what the library says, and damage is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.artifacts.tensor_file import open_tensors, write_tensors
from adrec_cli.artifacts.tensor_text import read_text
from adrec_cli.errors import ArtifactError


@given(text=st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=4), width=st.integers(0, 9))
def test_the_text_is_the_one_that_was_written(
    text: dict[str, str], width: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("text") / "some.safetensors"
    text.pop("content_sha256", None)
    write_tensors(path, {"one": torch.zeros(width, 3), "two": torch.ones(width)}, text)
    with open_tensors(path) as file:
        assert file.text == text
    found = read_text(path)
    found.pop("content_sha256")
    assert found == text


@pytest.mark.parametrize("kept", [0, 4, 8, 50, -8, -1])
def test_a_file_cut_short_is_damaged(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    write_tensors(path, {"one": torch.zeros(4, 3)}, {"a": "b"})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match="is damaged"):
        read_text(path)


@pytest.mark.parametrize(
    "header", [b"[]", b"1", b'{"one": 1}', b'{"__metadata__": {"a": 1}}', b'{"one": {"data_offsets": []}}', b"[" * 5000]
)
def test_a_header_that_is_none_is_damaged(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ArtifactError, match="is damaged"):
        read_text(path)


def test_a_header_of_any_length_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(ArtifactError, match="too long"):
        read_text(path)


def test_a_folder_or_nothing_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.safetensors"):
        with pytest.raises(ArtifactError, match="does not exist"):
            read_text(path)
