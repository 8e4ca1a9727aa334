"""Flipped bytes, cut files, hostile headers: exit 4 and a line that names the file, or exactly the right result."""

from __future__ import annotations

import functools
import json
import random
import resource
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.artifacts.checkpoint import load_checkpoint, load_state, save_state
from adrec_cli.artifacts.evaluation import read_evaluation, read_ranks
from adrec_cli.artifacts.manifest import Manifest, read_manifest, write_manifest
from adrec_cli.artifacts.promotion import read_current
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.opening import open_checkpoint, open_dataset
from tests.damage import overwrite
from tests.robustness.processes import TINY, artifacts, typed, typed_here

Content = Callable[[], object]

SOME_OR_ALL = pytest.mark.parametrize(
    "all_of_it", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["some bytes", "all bytes"]
)


def damaged(content: bytes, positions: range | list[int], lengths: range | list[int]):
    """Yield the content with each of these bytes changed, and cut at each of these lengths."""
    for position in positions:
        flipped = content[position] ^ (1 << position % 8)
        yield f"byte {position}", content[:position] + bytes([flipped]) + content[position + 1 :]
    for length in lengths:
        yield f"cut at {length}", content[:length]


def require_refused_or_right(
    path: Path, read: Content, positions: range | list[int], lengths: range | list[int]
) -> int:
    """Damage a file in every one of these ways and read it; return how many ways were tried."""
    whole, expected, tried = path.read_bytes(), read(), 0
    for how, content in damaged(whole, positions, lengths):
        overwrite(path, content)
        tried += 1
        try:
            found = read()
        except ArtifactError as error:
            assert str(path) in error.message, how
            assert "\n" not in error.message, how
            assert error.exit_code == 4
        else:
            assert found == expected, how
    overwrite(path, whole)
    return tried


def sampled(size: int, count: int) -> list[int]:
    """Return positions: the first and last bytes, and some between."""
    ends = [*range(min(size, 24)), *range(max(0, size - 24), size)]
    return sorted({*ends, *random.Random(size).sample(range(size), min(size, count))})


def dataset_content(folder: Path) -> object:
    dataset = open_dataset(folder)
    return dataset.manifest, dataset.items.rows(), dataset.sequences.items.tolist()


def checkpoint_content(path: Path) -> object:
    tensors, metadata = load_checkpoint(path)
    return {name: tensor.tolist() for name, tensor in tensors.items()}, metadata


def ranks_content(path: Path) -> object:
    found = read_ranks(path)
    return read_evaluation(path.with_name(path.name.replace(".ranks.parquet", ".json"))), found.ranks.tolist()


def state_content(path: Path) -> object:
    tensors, text = load_state(path)
    return {name: tensor.tolist() for name, tensor in tensors.items()}, text


@pytest.mark.parametrize("name", ["sequences.parquet", "items.parquet", "manifest.json"])
@SOME_OR_ALL
def test_bytes_of_a_data_set(workspace, name, all_of_it):
    path = workspace / "shop" / name
    size = path.stat().st_size
    positions = range(size) if all_of_it else sampled(size, 250)
    tried = require_refused_or_right(path, lambda: dataset_content(path.parent), positions, positions)
    assert tried == 2 * len(positions) >= 500


@pytest.mark.parametrize("suffix", [".json", ".ranks.parquet"])
def test_bytes_of_reports_and_ranks(workspace, suffix):
    path = workspace / f"shop/reports/adrec-finetune-loo-full-test{suffix}"
    positions = sampled(path.stat().st_size, 60)
    assert require_refused_or_right(path, lambda: ranks_content(path), positions, positions) >= 200


@pytest.mark.parametrize("name", ["checkpoint", "state"])
@SOME_OR_ALL
def test_bytes_of_checkpoints_and_states(workspace, name, all_of_it):
    path = workspace / "shop/adrec/finetune.safetensors"
    read: Content = functools.partial(checkpoint_content, path)
    if name == "state":
        tensors, _ = load_checkpoint(path)
        path = path.with_name("finetune.state.safetensors")
        save_state(path, tensors, {"position": "{}", "log": "", "run_key": "k"})
        read = functools.partial(state_content, path)
    size = path.stat().st_size
    positions = range(size) if all_of_it else sampled(size, 250)
    assert require_refused_or_right(path, read, positions, positions) >= 500


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("sequences.parquet", ["recommend", "--user", "u1"]),
        ("items.parquet", ["evaluate", "finetune"]),
        ("manifest.json", ["pretrain", "shop", *TINY]),
        # All is up to date, and nothing of the data is read.
        ("sequences.parquet", ["train", "shop", *TINY]),
        ("items.parquet", ["train", "shop", *TINY]),
        ("adrec/align.safetensors", ["finetune", "--from", "align"]),
        ("adrec/finetune.safetensors", ["evaluate", "finetune"]),
    ],
)
def test_commands_name_the_damaged_file(workspace, name, command):
    path = workspace / "shop" / name
    whole = path.read_bytes()
    for position in (0, 9, len(whole) // 3, len(whole) // 2, len(whole) - 5):
        overwrite(path, whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        assert str(path) in typed_here([*command, "--workspace", workspace]).require_one_error(4)
    overwrite(path, whole[:-3])
    assert str(path) in typed_here([*command, "--workspace", workspace]).require_one_error(4)


def test_a_damaged_checkpoint_is_not_up_to_date(workspace, finished, csv):
    path = workspace / "shop/adrec/pretrain.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done = typed_here(["run", csv, *TINY, "--workspace", workspace])
    assert done.exit_code == 0, done.stderr
    assert path.read_bytes() == whole
    assert artifacts(workspace) == artifacts(finished)


def test_nothing_is_parsed_before_its_hash_is_known_to_be_right(workspace, monkeypatch):
    for name in ("sequences.parquet", "items.parquet"):
        path = workspace / "shop" / name
        whole = path.read_bytes()
        overwrite(path, whole + b"\0")
        monkeypatch.setattr(pl, "read_parquet", lambda *args, **kwargs: pytest.fail("it was parsed"))
        with pytest.raises(ArtifactError, match=name):
            open_dataset(path.parent)
        overwrite(path, whole)


def safetensors(header: bytes | dict, data: bytes = b"") -> bytes:
    """Return a file with this header."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def tensor(dtype: str = "F32", shape: list | None = None, offsets: tuple = (0, 4)) -> dict:
    return {"dtype": dtype, "shape": [1] if shape is None else shape, "data_offsets": list(offsets)}


HOSTILE = {
    "empty": b"",
    "short": b"\x01\0\0",
    "huge header": struct.pack("<Q", 2**63) + b"{}",
    "all ones": b"\xff" * 64,
    "header of 90 MB that is not there": struct.pack("<Q", 90_000_000) + b"{}",
    "not UTF-8": safetensors(b'{"\xff\xfe": 1}'),
    "not JSON": safetensors(b"{{{{"),
    "a list": safetensors(b"[]"),
    "deep": safetensors(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "overlapping": safetensors({"a": tensor(offsets=(0, 4)), "b": tensor(offsets=(2, 6))}, bytes(6)),
    "a gap": safetensors({"a": tensor(offsets=(4, 8))}, bytes(8)),
    "behind the end": safetensors({"a": tensor(offsets=(0, 2**40), shape=[2**38])}, bytes(4)),
    "backwards": safetensors({"a": tensor(offsets=(4, 0))}, bytes(4)),
    "negative": safetensors({"a": tensor(offsets=(-4, 0))}, bytes(4)),
    "huge shape": safetensors({"a": tensor(shape=[2**40, 2**40])}, bytes(4)),
    "overflowing shape": safetensors({"a": tensor(shape=[2**63, 2])}, bytes(4)),
    "negative shape": safetensors({"a": tensor(shape=[-1])}, bytes(4)),
    "lying dtype": safetensors({"a": tensor(dtype="F64")}, bytes(4)),
    "unknown dtype": safetensors({"a": tensor(dtype="PICKLE")}, bytes(4)),
    "metadata of numbers": safetensors({"__metadata__": {"format_version": 1}}),
    "metadata is a list": safetensors({"__metadata__": []}),
    "a name with NUL": safetensors({"a\0b": tensor()}, bytes(4)),
    "twice the same": safetensors(b'{"a":%s,"a":%s}' % ((json.dumps(tensor()).encode(),) * 2), bytes(4)),
    "trailing": safetensors({"a": tensor()}, bytes(400)),
    **{
        f"dtype {dtype}": safetensors({"a": tensor(dtype=dtype, shape=[8], offsets=(0, size))}, bytes(size))
        for dtype, size in {"BOOL": 8, "U8": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "BF16": 16, "C64": 64}.items()
    },
}


def read_all_hostile(folder: Path) -> None:
    """Read every hostile file with at most 1 GB more memory than now."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
    for path in sorted(folder.glob("*.safetensors")):
        for read in (load_checkpoint, load_state):
            try:
                read(path)
            except ArtifactError as error:
                assert str(path) in error.message
                assert "\n" not in error.message
            else:
                sys.exit(f"{path} was accepted")
    sys.exit(0)


def test_hostile_safetensors_are_refused_within_a_gigabyte(tmp_path):
    for name, content in HOSTILE.items():
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    ended = typed([], tmp_path, functools.partial(read_all_hostile, tmp_path))
    assert ended.exit_code == 0, ended.stderr


def _with_checksum(folder: Path, **changes: object) -> None:
    write_manifest(folder, Manifest(**{**vars(read_manifest(folder)), **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "../../etc"},
        {"dataset": "/etc"},
        {"dataset": "\\\\server\\share"},
        {"dataset": "a\0b"},
        {"dataset": ""},
        {"dataset": "x" * 500},
        {"dataset": 7},
        {"sources": "all"},
        {"sources": [1]},
        {"parameters": []},
        {"parameters": {"found": 1}},
        {"statistics": {"users": "many"}},
        {"statistics": {"users": 10**400, "items": 1, "interactions": 1}},
        {"statistics": {"users": -1, "items": 1, "interactions": 1}},
        {"sequences_sha256": "../../secret"},
        {"items_sha256": None},
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_a_hostile_manifest_with_a_right_checksum_is_refused(workspace, changes):
    _with_checksum(workspace / "shop", **changes)
    for command in (["recommend", "--user", "u1"], ["pretrain", "shop", *TINY], ["evaluate", "finetune"]):
        done = typed_here([*command, "--workspace", workspace])
        assert "manifest.json" in done.require_one_error(4)


@pytest.mark.parametrize(
    "text",
    [
        '{"format_version": ' + "9" * 5000 + "}",
        '{"format_version": 1e999}',
        '{"a":' * 100_000,
        '{"format_version": 1, "manifest_sha256": {}}',
        "\ud800".encode("utf-16", "surrogatepass").decode("latin-1"),
        "null",
    ],
    ids=["digits", "infinite", "deep", "types", "bytes", "null"],
)
def test_what_is_no_manifest_is_one_line(workspace, text):
    (workspace / "shop/manifest.json").write_text(text)
    assert "manifest.json" in typed_here(["recommend", "--user", "u1", "-w", workspace]).require_one_error(4)


def test_files_that_link_elsewhere_must_still_have_the_right_hash(workspace, tmp_path):
    path = workspace / "shop/items.parquet"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert typed_here(["recommend", "--user", "u1", "--workspace", workspace]).exit_code == 0
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert "items.parquet" in typed_here(["recommend", "--user", "u1", "-w", workspace]).require_one_error(4)
    path.unlink()
    path.symlink_to(path)
    assert "items.parquet" in typed_here(["recommend", "--user", "u1", "-w", workspace]).require_one_error(4)


def test_a_checkpoint_whose_metadata_point_elsewhere_is_refused(workspace):
    from dataclasses import replace

    from adrec_cli.artifacts.checkpoint import save_checkpoint

    path = workspace / "shop/adrec/finetune.safetensors"
    tensors, metadata = load_checkpoint(path)
    dataset = open_dataset(workspace / "shop")
    for changes in (
        {"stage": "../../../elsewhere"},
        {"model": "/etc/passwd"},
        {"item_count": 10**12},
        {"epoch": "many"},
        {"config": [1]},
        {"config": {**metadata.config, "hidden_size": "wide"}},
        {"config": {**metadata.config, "nothing": 1}},
    ):
        save_checkpoint(path, tensors, replace(metadata, **changes))
        done = typed_here(["evaluate", "finetune", "--workspace", workspace])
        assert str(path) in done.require_one_error(4), changes
    save_checkpoint(path, tensors, metadata)
    assert open_checkpoint(path, dataset).metadata == metadata


def test_every_byte_of_what_is_promoted(workspace):
    folder = workspace / "shop/adrec"
    path = folder / "current.json"
    size = path.stat().st_size
    tried = require_refused_or_right(path, lambda: vars(read_current(folder)), range(size), range(size))
    assert tried == 2 * size


def test_a_promoted_model_that_was_exchanged_for_another_whole_one_is_refused(workspace):
    promoted = next((workspace / "shop/adrec/promoted").glob("*.safetensors"))
    promoted.write_bytes((workspace / "shop/adrec/align.safetensors").read_bytes())
    message = typed_here(["recommend", "--user", "u1", "--workspace", workspace]).require_one_error(4)
    assert str(promoted) in message
