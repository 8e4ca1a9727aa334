"""Files of recommendations without some users: whichever form they have, and nothing else of them is touched."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.artifacts.recommendation_file import _name_part
from adrec_cli.forgetting.batches import find_batches, forget_in_batch

ROWS = [("ann", "ours", 1), ("ben", "ours", 2), ("ann", "theirs", 3), ("cid", "ours", 4), ("ann", "ours", 5)]


def write_rows(path: Path, rows: list[tuple[str, str, int]], *, model: bool = True) -> None:
    table = pl.DataFrame(rows, schema=["user_id", "model", "rank"], orient="row")
    table = table if model else table.drop("model")
    if path.suffix == ".parquet":
        table.write_parquet(path)
    elif path.suffix == ".csv":
        table.write_csv(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_dicts()))


def read_ranks(path: Path) -> list[int]:
    readers = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".jsonl": pl.read_ndjson}
    return readers[path.suffix](path)["rank"].to_list()


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
@pytest.mark.parametrize(
    ("users", "foreign", "model", "left"),
    [
        ({"ann"}, set(), True, [2, 4]),
        ({"ann"}, {"theirs"}, True, [2, 3, 4]),
        ({"ann"}, {"theirs"}, False, [2, 4]),
        ({"ann", "cid"}, set(), True, [2]),
        ({"cid"}, {"ours"}, True, None),
        ({"dan"}, set(), True, None),
        (set(), set(), True, None),
    ],
)
def test_their_rows_go_and_all_others_stay_in_their_order(
    tmp_path: Path, suffix: str, users: set[str], foreign: set[str], model: bool, left: list[int] | None
) -> None:
    path = tmp_path / f"recs{suffix}"
    write_rows(path, ROWS, model=model)
    before = path.read_bytes()
    assert forget_in_batch(path, users, foreign) == (left is not None)
    if left is None:
        assert path.read_bytes() == before, "what holds nobody of them is not written again"
    else:
        assert read_ranks(path) == left
    assert not forget_in_batch(path, users, foreign), "there is nothing left to take"


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
@pytest.mark.parametrize("content", [b"", b"ann", b"\xff\xfe\x00", b'{"other": "ann"}\n', b"name,rank\nann,1\n"])
def test_a_file_that_is_no_table_of_users_is_left_alone(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"notes{suffix}"
    path.write_bytes(content)
    assert not forget_in_batch(path, {"ann"})
    assert path.read_bytes() == content


def test_the_list_of_unknown_users_beside_a_batch(tmp_path: Path) -> None:
    path = tmp_path / "unknown.jsonl"
    lines = ['{"kind": "user", "id": "ann"}\n', '{"kind": "user", "id": "ben"}\n', '{"kind": "item", "id": "ann"}\n']
    path.write_text("".join(lines))
    assert forget_in_batch(path, {"ann"})
    assert path.read_text() == "".join(lines[1:])


def test_parts_of_an_unfinished_batch_are_taken_whole(tmp_path: Path) -> None:
    parts = tmp_path / "recs.jsonl.parts"
    parts.mkdir()
    part = parts / _name_part(0, "0" * 64, "0" * 64)
    part.write_text("{}\n")
    (parts / "notes.txt").write_text("somebody else's")
    assert forget_in_batch(parts, {"nobody"})
    assert [path.name for path in parts.iterdir()] == ["notes.txt"]


def test_batches_are_looked_for_in_the_data_set_and_where_no_data_set_is(tmp_path: Path) -> None:
    folders = [
        "",
        "shop",
        "shop/adrec",
        "mine",
        "mine/deep",
        "other",
        "other/adrec",
        ".cache",
        ".cache/deep",
        "mine/.in",
    ]
    for folder in folders:
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in ("recs.csv", "recs.txt", "sequences.parquet", ".hidden.csv"):
            (tmp_path / folder / name).write_text("")
    for name in ("shop", "other"):
        (tmp_path / name / "manifest.json").write_text("{}")
    (tmp_path / "link.csv").symlink_to(tmp_path / "other/recs.csv")
    found = {str(path.relative_to(tmp_path)) for path in find_batches(tmp_path, tmp_path / "shop")}
    assert found == {"recs.csv", "shop/recs.csv", "shop/adrec/recs.csv", "mine/recs.csv", "mine/deep/recs.csv"}
