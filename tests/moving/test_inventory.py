"""An inventory that somebody else may have written: read back as it was, or refused in one line."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.artifacts.json_files import content_sha256
from adrec_cli.data.download import MOST_BYTES
from adrec_cli.errors import InputError
from adrec_cli.moving.inventory import PART_BYTES, Inventory, StoredFile, parse_inventory, write_inventory
from tests.moving.test_kinds import WRITTEN

A, B = "a" * 64, "b" * 64
NEEDED = ("items.parquet", "manifest.json", "sequences.parquet")


def stored(path: str, size: int = 10) -> StoredFile:
    parts = tuple(f"{number:064x}" for number in range(max(1, -(-size // PART_BYTES))))
    return StoredFile(path=path, sha256=A, bytes=size, parts_sha256=parts)


def inventory_of(*more: StoredFile) -> Inventory:
    files = (*map(stored, NEEDED), *more)
    return Inventory(dataset="shop", files=files, pushed_at="2026-11-27T00:00:00+00:00", adrec_version="1")


def sign(told: dict[str, Any]) -> bytes:
    """Return JSON with the checksum that it should have."""
    told = {key: value for key, value in told.items() if key != "inventory_sha256"}
    return json.dumps(told | {"inventory_sha256": content_sha256(told)}).encode()


def require_refused(content: bytes) -> str:
    with pytest.raises(InputError) as raised:
        parse_inventory(content, "shop", "s3://lake/datasets/shop.json")
    assert raised.value.message.startswith("s3://lake/datasets/shop.json is damaged or was not written by adrec: ")
    assert len(raised.value.message.splitlines()) == 1
    assert len(raised.value.message) < 400
    return raised.value.message


@given(st.sets(st.sampled_from(sorted(set(WRITTEN) - set(NEEDED)))), st.integers(0, 5 * PART_BYTES))
def test_what_is_written_is_read(paths: set[str], size: int) -> None:
    inventory = inventory_of(*(stored(path, size) for path in sorted(paths)))
    assert parse_inventory(write_inventory(inventory), "shop", "x") == inventory
    for one in inventory.files:
        assert sum(part.bytes for part in one.parts) == one.bytes


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "absolute": ({"path": "/etc/cron.d/x.jsonl"}, "is not a file that adrec writes"),
    "above": ({"path": "../other/manifest.json"}, "is not a file that adrec writes"),
    "inside and above": ({"path": "adrec/../../x.jsonl"}, "is not a file that adrec writes"),
    "a lock": ({"path": "adrec/.lock"}, "is not a file that adrec writes"),
    "no adrec file": ({"path": "adrec/run.sh"}, "is not a file that adrec writes"),
    "long": ({"path": "adrec/" + "x" * 999 + ".jsonl"}, "is not a file that adrec writes"),
    "no text": ({"path": ["adrec/x.jsonl"]}, "is not a file that adrec writes"),
    "no path": ({"path": None}, "is not a file that adrec writes"),
    "terminal": ({"path": "adrec/\x1b[2J.jsonl"}, "is not a file that adrec writes"),
    "twice": ({"path": "manifest.json"}, "manifest.json is there twice"),
    "case of a file": ({"path": "Manifest.json"}, "is not a file that adrec writes"),
    "negative": ({"bytes": -1}, "has a size of -1"),
    "huge": ({"bytes": MOST_BYTES + 1}, "has a size of"),
    "huger": ({"bytes": 10**400}, "has a size of 1000"),
    "large for its parts": ({"bytes": PART_BYTES + 1}, "not in as many parts"),
    "true": ({"bytes": True}, "has a size of True"),
    "float": ({"bytes": 10.0}, "has a size of 10.0"),
    "not a number": ({"bytes": float("nan")}, "has a size of nan"),
    "short hash": ({"sha256": "abc"}, "has no SHA-256"),
    "a path for a hash": ({"sha256": "../" + A[3:]}, "has no SHA-256"),
    "a path for a part": ({"parts_sha256": ["/" + A[1:]]}, "has no SHA-256"),
    "no parts": ({"parts_sha256": []}, "not in as many parts"),
    "parts in a text": ({"parts_sha256": "x"}, "not in as many parts"),
    "a link": ({"link": "/etc/passwd"}, "link"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name: str) -> None:
    change, reason = HOSTILE[name]
    told = json.loads(write_inventory(inventory_of(stored("adrec/x.jsonl"))))
    assert parse_inventory(sign(told), "shop", "x").files[-1].path == "adrec/x.jsonl"
    told["files"][-1] |= change
    assert reason in require_refused(sign(told))


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["adrec/x.jsonl", "ADRec/y.jsonl"], "ADRec and adrec are one name"),
        (["adrec/x.jsonl", "adrec/X.jsonl"], "adrec/X.jsonl and adrec/x.jsonl are one name"),
        (["adrec/\u00e9.jsonl", "adrec/\u00c9.jsonl"], "are one name"),
        (["adrec/stra\u00dfe.jsonl", "adrec/STRASSE.jsonl"], "are one name"),
    ],
)
def test_names_that_some_disks_take_for_one_are_refused(paths: list[str], reason: str) -> None:
    assert reason in require_refused(write_inventory(inventory_of(*map(stored, paths))))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format_version": 2}, "format version 2, this adrec reads 1"),
        ({"format_version": True}, "format version True"),
        ({"format_version": "1"}, "format version '1'"),
        ({"dataset": "other"}, "it is of dataset 'other', not 'shop'"),
        ({"dataset": "../shop"}, "cannot name a folder"),
        ({"dataset": 7}, "cannot name a folder"),
        ({"files": {}}, "files is not a list of tables"),
        ({"files": ["manifest.json"]}, "files is not a list of tables"),
        ({"files": []}, "is not among its files"),
        ({"pushed_at": 1}, "are not texts"),
        ({"more": 1}, "more"),
    ],
)
def test_a_hostile_head_is_refused(change: dict[str, Any], reason: str) -> None:
    assert reason in require_refused(sign(json.loads(write_inventory(inventory_of())) | change))


def test_more_bytes_than_any_data_set_has_are_refused() -> None:
    many = [stored(f"adrec/{number}.jsonl", MOST_BYTES // 4) for number in range(5)]
    assert "bytes, more than" in require_refused(write_inventory(inventory_of(*many)))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"a":' * 100_000, b"9" * 10_000, b"{}"])
def test_what_is_no_inventory_at_all_is_refused(content: bytes) -> None:
    require_refused(content)


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_every_flipped_bit_is_noticed(place: int, bit: int) -> None:
    content = bytearray(write_inventory(inventory_of(stored("adrec/x.jsonl"))))
    whole = parse_inventory(bytes(content), "shop", "x")
    content[place % len(content)] ^= 1 << bit
    with contextlib.suppress(InputError):
        # Blanks between what JSON means are nobody's concern.
        assert parse_inventory(bytes(content), "shop", "x") == whole


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([A, B, *WRITTEN]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["files", "dataset", "pushed_at", "adrec_version", "format_version"]), JSON)
def test_anything_in_the_head_is_read_or_refused(key: str, value: Any) -> None:
    told = json.loads(write_inventory(inventory_of()))
    try:
        content = sign(told | {key: value})
        read = parse_inventory(content, "shop", "x")
    except InputError:
        return
    assert json.loads(write_inventory(read))[key] == value


@given(st.sampled_from(["path", "sha256", "bytes", "parts_sha256"]), JSON)
def test_anything_in_a_file_is_read_or_refused(key: str, value: Any) -> None:
    told = copy.deepcopy(json.loads(write_inventory(inventory_of(stored("adrec/x.jsonl")))))
    told["files"][-1][key] = value
    try:
        read = parse_inventory(sign(told), "shop", "x")
    except InputError:
        return
    assert json.loads(write_inventory(read))["files"][-1][key] == value
