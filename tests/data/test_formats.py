"""Every form of file that is read, each on a real file, and what is said about it."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from adrec_cli.errors import InputError, UsageError
from adrec_cli.pipeline.preprocess import PreprocessOptions, PreprocessPreview, preview
from tests.data.table_files import START, history, read_sequences, run, write_csv
from tests.tiers import sampled

ROWS = history("anna", ["a", "b", "c"]) + history("ben", ["b", "é"])
EXPECTED = {"anna": ["a", "b", "c"], "ben": ["b", "é"]}


def look(source: object, workspace: Path, **options: object) -> PreprocessPreview:
    return preview(str(source), workspace=workspace, options=PreprocessOptions(**options))  # type: ignore[arg-type]


REAL = [
    # file, options, users, items, interactions, layout, what is said about times
    ("raw/amazon-2014/Musical_Instruments_5.json.gz", {}, 1429, 900, 10261, "jsonl", "seconds"),
    ("raw/amazon-2014/ratings_Musical_Instruments_5core.derived.csv", {}, 1429, 900, 10261, "delimited", "seconds"),
    ("raw/amazon-2018/AMAZON_FASHION_5.json.gz", {"duplicates": "keep"}, 406, 31, 3176, "jsonl", "seconds"),
    ("raw/amazon-2018/AMAZON_FASHION_5.json.gz", {}, 406, 31, 3065, "jsonl", "seconds"),
    ("raw/amazon-2018/Gift_Cards_5.json.gz", {"duplicates": "keep"}, 458, 148, 2972, "jsonl", "seconds"),
    (
        "raw/amazon-2018/Magazine_Subscriptions.csv.gz",
        {"duplicates": "keep"}, 72098, 2428, 89689, "delimited", "seconds",
    ),
    ("raw/amazon-2023/All_Beauty.train.head3000.csv", {}, 718, 2105, 3000, "delimited", "milliseconds"),
    ("raw/amazon-2023/All_Beauty_5core_rating_only.csv.gz", {}, 253, 356, 2535, "delimited", "milliseconds"),
    (
        "raw/diginetica/sample_train-item-views.csv",
        {"user_column": "session_id", "duplicates": "keep"}, 2986, 7139, 12391, "delimited", "dates",
    ),
    (
        "raw/diginetica/sample_train-item-views.csv",
        {"user_column": 1, "item_column": 3, "timestamp_column": 4, "timestamp_unit": "order"},
        2986, 7139, 12391, "delimited", "order",
    ),
    ("raw/ml-1m/ratings.exact-users.dat", {}, 805, 3290, 104938, "double-colon", "seconds"),
    ("raw/ml-latest-small/ratings.csv", {}, 610, 9724, 100836, "delimited", "seconds"),
    ("raw/recbole/ml-100k/ml-100k.inter", {}, 943, 1682, 100000, "delimited", "seconds"),
    ("raw/retailrocket-format-SYNTHETIC/events.csv", {}, 200, 500, 5000, "delimited", "milliseconds"),
    ("raw/spark-sample/sample_movielens_ratings.txt", {}, 30, 100, 1501, "double-colon", "seconds"),
    ("raw/yelp/yelp_academic_dataset_review.json", {}, 499, 443, 500, "jsonl", "dates"),
    ("ml-100k/u.data", {}, 943, 1682, 100000, "delimited", "seconds"),
    ("ml-1m/interactions.parquet", {}, 6040, 3706, 1000209, "parquet", "seconds"),
    ("adrec-official/baby/sequences.parquet", {}, 11761, 4731, 92823, "parquet", "no times"),
    ("amazon-beauty-5core/sequences.parquet", {}, 22363, 12101, 198502, "parquet", "no times"),
]  # fmt: skip


@sampled("file,options,users,items,interactions,layout,times", REAL, quick=[case for case in REAL if case[4] < 100_000])
def test_real_files_are_recognised(
    shared_data: Path,
    tmp_path: Path,
    file: str,
    options: dict[str, object],
    users: int,
    items: int,
    interactions: int,
    layout: str,
    times: str,
) -> None:
    seen = look(shared_data / file, tmp_path / "ws", **options)
    numbers = seen.statistics
    assert (numbers["users"], numbers["items"], numbers["interactions"]) == (users, items, interactions)
    assert seen.found["layout"] == layout
    assert times in seen.found["time"]
    assert seen.head
    assert not (tmp_path / "ws").exists()


def test_items_before_users_are_noticed_by_the_ids_of_amazon(shared_data: Path, tmp_path: Path) -> None:
    seen = look(shared_data / "raw/amazon-2018/Magazine_Subscriptions.csv.gz", tmp_path)
    assert seen.columns[:2] == ("item_id", "user_id")
    read = "read as commas between columns, no header; user = user_id, item = item_id, "
    assert seen.notes[0] == read + "timestamp = timestamp, rating = rating; times in seconds (found from their size)"
    assert "Amazon" in seen.notes[1]
    named = look(shared_data / "raw/amazon-2018/Magazine_Subscriptions.csv.gz", tmp_path, user_column=2, item_column=1)
    assert named.statistics == seen.statistics
    assert named.notes == seen.notes[:1]


@pytest.mark.thorough
def test_movielens_as_text_and_as_parquet_agree(shared_data: Path, tmp_path: Path) -> None:
    users = shared_data / "raw/ml-1m/ratings.exact-users.dat"
    text = read_sequences(run(users, tmp_path / "ws", name="text").folder)
    whole = read_sequences(run(shared_data / "ml-1m/interactions.parquet", tmp_path / "ws", name="whole").folder)
    assert len(text) == 805
    assert all(whole[user] == items for user, items in text.items())


# ---- the same rows written in every form


def separated(path: Path, separator: str, encoding: str = "utf-8", header: bool = True) -> Path:
    lines = [separator.join(("user_id", "item_id", "timestamp"))] if header else []
    lines += [separator.join(str(cell) for cell in row) for row in ROWS]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", " "])
@pytest.mark.parametrize("header", [True, False])
def test_separators(tmp_path: Path, separator: str, header: bool) -> None:
    source = separated(tmp_path / "t.txt", separator, header=header)
    assert read_sequences(run(source, tmp_path / "ws").folder) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_encodings_are_found(tmp_path: Path, encoding: str) -> None:
    result = run(separated(tmp_path / "t.csv", ",", encoding), tmp_path / "ws")
    assert read_sequences(result.folder) == EXPECTED
    assert result.manifest.parameters["found"]["encoding"] == encoding


def test_latin_1_far_into_a_file_is_found(tmp_path: Path) -> None:
    rows = [*history("anna", [f"i{n}" for n in range(60_000)]), ("ben", "é", START)]
    text = "user_id,item_id,timestamp\n" + "\n".join(",".join(map(str, row)) for row in rows)
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    assert read_sequences(run(tmp_path / "t.csv", tmp_path / "ws").folder)["ben"] == ["é"]


def write_form(folder: Path, form: str) -> Path:
    frame = pl.DataFrame(ROWS, schema=["user_id", "item_id", "timestamp"], orient="row")
    path = folder / f"rows.{form}"
    if form == "parquet":
        frame.write_parquet(path)
    elif form == "arrow":
        frame.write_ipc(path)
    elif form == "jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_csv(path)
    return path


@pytest.mark.parametrize("form", ["parquet", "arrow", "jsonl", "csv"])
@pytest.mark.parametrize("compression", ["", "gz", "zst"])
def test_forms_and_compressions(tmp_path: Path, form: str, compression: str) -> None:
    source = write_form(tmp_path, form)
    if compression:
        packed = source.with_name(f"{source.name}.{compression}")
        if compression == "gz":
            packed.write_bytes(gzip.compress(source.read_bytes()))
        else:
            with pa.CompressedOutputStream(str(packed), "zstd") as stream:
                stream.write(source.read_bytes())
        source = packed
    result = run(source, tmp_path / "ws")
    assert read_sequences(result.folder) == EXPECTED
    assert result.folder.name == "rows"
    # Content decides, not the name.
    hidden = tmp_path / "export"
    hidden.write_bytes(source.read_bytes())
    assert read_sequences(run(hidden, tmp_path / "ws").folder) == EXPECTED


def test_folders_and_globs_of_parts_are_read_in_order(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for number in (2, 0, 1):
        write_csv(parts / f"part-{number}.csv", [("u", f"i{number}", START)])
    (parts / "_SUCCESS").write_text("")
    whole = run(parts, tmp_path / "ws")
    glob = run(parts / "part-*.csv", tmp_path / "ws", name="glob")
    assert read_sequences(whole.folder) == read_sequences(glob.folder) == {"u": ["i0", "i1", "i2"]}
    assert [source["name"] for source in whole.manifest.sources] == ["part-0.csv", "part-1.csv", "part-2.csv"]


def test_parts_of_different_form_are_refused(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    write_csv(parts / "a.csv", [("u", "i", START)])
    (parts / "b.jsonl").write_text('{"user_id": "u", "item_id": "i", "timestamp": 1400000000}\n')
    with pytest.raises(InputError, match=r"b\.jsonl differs from a\.csv"):
        run(parts, tmp_path / "ws")


def test_interactions_in_python_literals(tmp_path: Path) -> None:
    lines = [f"{{u'username': u'{user}', u'product_id': u'{item}', u'date': u'2014-05-13'}}" for user, item, _ in ROWS]
    (tmp_path / "steam.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = run(tmp_path / "steam.json", tmp_path / "ws")
    assert read_sequences(result.folder) == EXPECTED
    # The name of a named data set is not taken by a file.
    assert result.folder.name == "my-steam"
    assert result.notes[0].startswith("named my-steam")
    with pytest.raises(UsageError):
        run(tmp_path / "steam.json", tmp_path / "ws", name="steam")


# ---- ids


def test_ids_are_kept_as_they_are_written(tmp_path: Path) -> None:
    ids = [
        "007",
        "7",
        "9223372036854775807",
        "a,b",
        "two\nlines",
        'quo"te',
        "é",
        "e\u0301",
        "NA",
        "none",
        "nil",
        "[deleted]",
        "1.50",
        "1E5",
        "-",
    ]
    lines = ["user_id,item_id,timestamp"]
    lines += ['u,"{}",{}'.format(item.replace('"', '""'), START + n) for n, item in enumerate(ids)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_sequences(run(tmp_path / "t.csv", tmp_path / "ws").folder) == {"u": ids}


# ---- looking without writing


def test_a_preview_says_what_would_come_and_writes_nothing(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", ROWS)
    seen = look(source, tmp_path / "ws")
    made = run(source, tmp_path / "ws2")
    assert seen.statistics == made.manifest.statistics
    assert seen.found == made.manifest.parameters["found"]
    assert seen.columns == ("user_id", "item_id", "timestamp")
    assert seen.head[0] == ("anna", "a", str(START))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "ws2"]
