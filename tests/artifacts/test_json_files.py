"""JSON with a checksum of its own: any change but spacing and order is noticed; nothing too deep or large is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.artifacts import json_files
from adrec_cli.artifacts.json_files import content_sha256, read_json_object, take_checksum
from adrec_cli.errors import ArtifactError, StorageError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-2, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=5)


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_the_checksum_is_that_of_the_content_alone(content, other):
    content.pop("sum", None)
    signed = {"sum": content_sha256(content), **dict(reversed(content.items()))}
    rewritten = json.loads(json.dumps(signed, indent=3))
    assert take_checksum(rewritten, "sum")
    assert rewritten == content, "the checksum is gone, all else is there"
    other.pop("sum", None)
    same = json.dumps(other, sort_keys=True) == json.dumps(content, sort_keys=True)
    assert take_checksum({**other, "sum": signed["sum"]}, "sum") is same
    assert not take_checksum(dict(content), "sum")
    assert not take_checksum({**content, "sum": None}, "sum")


def test_what_is_nested_deeper_than_can_be_written_has_no_right_checksum():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    assert not take_checksum({"sum": "x", "nested": nested}, "sum")
    while nested:
        nested = nested.pop()


def test_the_largest_file_is_read_and_a_byte_more_is_not(tmp_path, monkeypatch):
    path, text = tmp_path / "file.json", '{"a": 1}'
    path.write_text(text)
    monkeypatch.setattr(json_files, "MAX_JSON_BYTES", len(text))
    assert read_json_object(path, hint="h") == {"a": 1}
    path.write_text(text + " ")
    with pytest.raises(ArtifactError, match=rf"file\.json is damaged: larger than {len(text)} bytes") as told:
        read_json_object(path, hint="h")
    assert told.value.hint == "h"


@pytest.mark.parametrize("text", [b"", b"[]", b"1", b'"x"', b"{", b"\xff{}", b"[" * 100_000])
def test_what_is_no_object_is_damaged(tmp_path, text):
    (tmp_path / "file.json").write_bytes(text)
    with pytest.raises(ArtifactError, match=r"file\.json is damaged"):
        read_json_object(tmp_path / "file.json", hint="h")


def test_what_is_not_there_and_what_is_no_file(tmp_path):
    with pytest.raises(ArtifactError, match="does not exist"):
        read_json_object(tmp_path / "file.json", hint="h")
    with pytest.raises(StorageError, match="could not read"):
        read_json_object(tmp_path, hint="h")
