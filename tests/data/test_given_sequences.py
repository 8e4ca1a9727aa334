"""Sources that are split already, or that hold a sequence a row."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import preprocess
from tests.data.table_files import START, read_bounds, read_sequences, run
from tests.tiers import sampled


def test_train_dev_test_files_keep_their_split(tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    header = "user_id\titem_id\ttime"
    for name, rows in (
        ("train", [("1", "a", START), ("1", "b", START + 9), ("2", "a", START)]),
        ("dev", [("1", "c", START + 5)]),
        ("test", [("1", "d", START + 6), ("2", "b", START + 1)]),
    ):
        extra = "" if name == "train" else "\tneg_items"
        lines = [header + extra] + ["\t".join(map(str, row)) + ("\t[1, 2]" if extra else "") for row in rows]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    result = run(folder, tmp_path / "ws")
    assert read_sequences(result.folder) == {"1": ["a", "b", "c", "d"], "2": ["a", "b"]}
    assert read_bounds(result.folder) == {"1": (2, 3), "2": (1, 1)}
    assert result.manifest.parameters["found"]["split"] == "given"


@pytest.mark.thorough
def test_rechorus_files_give_the_same_cut_as_the_whole(shared_data: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    whole = pl.read_parquet(shared_data / "grocery/interactions.parquet").rename({"timestamp": "time"})
    held_out = []
    for name in ("dev", "test"):
        part = pl.read_parquet(shared_data / f"grocery/splits/{name}.parquet").rename({"timestamp": "time"})
        part = part.select("user_id", "item_id", "time")
        part.write_csv(raw / f"{name}.csv", separator="\t")
        held_out.append(part)
    train = whole.join(pl.concat(held_out), on=["user_id", "item_id", "time"], how="anti", maintain_order="left")
    train.write_csv(raw / "train.csv", separator="\t")
    result = preprocess("grocery", workspace=tmp_path / "ws", raw=raw)
    direct = preprocess("grocery", workspace=tmp_path / "ws2", raw=shared_data)
    assert result.manifest.sequences_sha256 == direct.manifest.sequences_sha256
    given = run(raw, tmp_path / "ws", name="given")
    assert read_bounds(given.folder) == read_bounds(direct.folder)


@sampled(
    "name,users,items,interactions",
    [
        ("adrec-baby", 11_761, 4_731, 92_823),
        ("adrec-beauty", 10_553, 6_086, 94_148),
        ("amazon-beauty", 22_363, 12_101, 198_502),
    ],
    quick=[("adrec-baby", 11_761, 4_731, 92_823)],
)
def test_published_sequences_are_taken_as_they_are(
    shared_data: Path, tmp_path: Path, name: str, users: int, items: int, interactions: int
) -> None:
    result = preprocess(name, workspace=tmp_path, raw=shared_data)
    numbers = result.manifest.statistics
    assert (numbers["users"], numbers["items"], numbers["interactions"]) == (users, items, interactions)
    assert result.warnings == []
    ours = read_sequences(result.folder)
    file = "amazon-beauty-5core" if name == "amazon-beauty" else f"adrec-official/{name.removeprefix('adrec-')}"
    theirs = pl.read_parquet(shared_data / file / "sequences.parquet")
    if name == "amazon-beauty":
        expected = {str(user): [str(item) for item in row] for user, row in theirs.rows()}
    else:
        expected = {
            str(user): [str(item) for item in (*train, valid, test)] for user, train, valid, test in theirs.rows()
        }
        assert read_bounds(result.folder) == {str(row[0]): (len(row[1]), len(row[1]) + 1) for row in theirs.rows()}
    assert ours == expected


def test_s3rec_text_is_one_sequence_a_line(shared_data: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(shared_data / "amazon-beauty-5core/sequences.parquet")
    lines = [" ".join(map(str, (user, *items))) for user, items in frame.rows()]
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "Beauty.txt").write_text("\n".join(lines) + "\n")
    text = preprocess("amazon-beauty", workspace=tmp_path / "ws", raw=raw)
    parquet = preprocess("amazon-beauty", workspace=tmp_path / "ws2", raw=shared_data)
    assert text.manifest.sequences_sha256 == parquet.manifest.sequences_sha256
    assert text.manifest.parameters["found"]["layout"] == "sequences"


def test_sequences_with_times(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"user_id": ["u", "v"], "items": [["b", "a"], ["c"]], "timestamps": [[START + 1, START], [START]]}
    )
    frame.write_parquet(tmp_path / "s.parquet")
    assert read_sequences(run(tmp_path / "s.parquet", tmp_path / "ws").folder) == {"u": ["a", "b"], "v": ["c"]}
    frame.with_columns(timestamps=pl.lit([START])).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="differ in length"):
        run(tmp_path / "t.parquet", tmp_path / "ws")
