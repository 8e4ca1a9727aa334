"""Preprocessing from end to end: the three files, the published counts, re-running, and bad sources."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from adrec_cli.artifacts.dataset import verify_dataset
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.errors import ExitCode, InputError, UsageError
from adrec_cli.pipeline.preprocess import PreprocessOptions, PreprocessResult, preprocess
from tests.data.table_files import START, history, read_bounds, read_sequences, write_csv
from tests.tiers import sampled


def run(source: object, workspace: Path, **options: object) -> PreprocessResult:
    raw, force = options.pop("raw", None), options.pop("force", False)
    chosen = PreprocessOptions(**options)  # type: ignore[arg-type]
    return preprocess(str(source), workspace=workspace, raw=raw, options=chosen, force=force)  # type: ignore[arg-type]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    rows = history("anna", ["milk", "bread", "milk", "tea"]) + history("ben", ["bread", "tea"]) + history("7", ["tea"])
    return write_csv(tmp_path / "shop.csv", rows)


# ---- the files


def test_the_files_have_the_schema_of_the_design(shop: Path, tmp_path: Path) -> None:
    folder = run(shop, tmp_path / "ws").folder
    assert folder == tmp_path / "ws" / "shop"
    sequences, items = pq.read_schema(folder / "sequences.parquet"), pq.read_schema(folder / "items.parquet")
    assert {field.name: str(field.type) for field in sequences} == {
        "user_id": "string",
        "items": "list<element: int32>",
        "timestamps": "list<element: int64>",
        "train_end": "int32",
        "valid_end": "int32",
    }
    assert {field.name: str(field.type) for field in items} == {
        "item_index": "int32",
        "item_id": "string",
        "count": "int64",
    }
    assert pq.ParquetFile(folder / "sequences.parquet").metadata.row_group(0).column(1).compression == "ZSTD"


def test_sequences_bounds_and_training_counts(shop: Path, tmp_path: Path) -> None:
    folder = run(shop, tmp_path / "ws").folder
    assert read_sequences(folder) == {"7": ["tea"], "anna": ["milk", "bread", "milk", "tea"], "ben": ["bread", "tea"]}
    assert read_bounds(folder) == {"7": (1, 1), "anna": (2, 3), "ben": (2, 2)}
    counts = dict(pl.read_parquet(folder / "items.parquet").select("item_id", "count").rows())
    assert counts == {"bread": 2, "milk": 1, "tea": 2}
    times = pl.read_parquet(folder / "sequences.parquet")["timestamps"][1].to_list()
    assert times == [(START + 60 * n) * 10**6 for n in range(4)]


def test_the_manifest_describes_the_files(shop: Path, tmp_path: Path) -> None:
    result = run(shop, tmp_path / "ws")
    manifest = read_manifest(result.folder)
    verify_dataset(result.folder, manifest)
    assert manifest.statistics == {
        "users": 3, "items": 3, "interactions": 7, "average_length": 2.3333, "density": 0.77777778,
        "first_time": "2014-05-13T16:53:20Z", "last_time": "2014-05-13T16:56:20Z",
    }  # fmt: skip
    assert manifest.sources[0]["name"] == "shop.csv"
    assert manifest.parameters["found"]["time"].startswith("times in seconds")


def test_row_groups_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adrec_cli.data.dataset_files.MAX_ROW_GROUP_USERS", 10)
    rows = [row for user in range(25) for row in history(f"u{user:02d}", ["a", "b", "c"])]
    folder = run(write_csv(tmp_path / "many.csv", rows), tmp_path / "ws").folder
    metadata = pq.ParquetFile(folder / "sequences.parquet").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [10, 10, 5]
    assert len(read_sequences(folder)) == 25


# ---- options


def test_k_core_is_set_for_users_and_items_on_their_own(shop: Path, tmp_path: Path) -> None:
    users = run(shop, tmp_path / "ws", min_user_interactions=2, name="users")
    assert list(read_sequences(users.folder)) == ["anna", "ben"]
    items = run(shop, tmp_path / "ws", min_item_interactions=3, name="items")
    assert read_sequences(items.folder) == {"7": ["tea"], "anna": ["tea"], "ben": ["tea"]}


def test_max_length_keeps_the_newest(shop: Path, tmp_path: Path) -> None:
    folder = run(shop, tmp_path / "ws", max_length=3).folder
    assert read_sequences(folder)["anna"] == ["bread", "milk", "tea"]


def test_a_time_split_uses_the_same_columns(shop: Path, tmp_path: Path) -> None:
    folder = run(
        shop, tmp_path / "ws", split="time", valid_from="2014-05-13T16:54:20", test_from="2014-05-13T16:56:20+00:00"
    ).folder
    assert read_bounds(folder) == {"7": (1, 1), "anna": (1, 3), "ben": (1, 2)}


def test_ratings_below_the_least_are_left_out(tmp_path: Path) -> None:
    rows = [("u", "a", 5, START), ("u", "b", 3, START + 1), ("u", "c", 4.0, START + 2)]
    source = write_csv(tmp_path / "r.csv", rows, "user_id,item_id,rating,timestamp")
    result = run(source, tmp_path / "ws", min_rating=4)
    assert read_sequences(result.folder) == {"u": ["a", "c"]}
    assert [(a.name, a.interactions) for a in result.removed] == [("min_rating", 1), ("duplicates", 0)]


def test_columns_are_named_or_counted(tmp_path: Path) -> None:
    rows = [("x", START + n, f"i{n}", "u") for n in range(3)]
    headed = write_csv(tmp_path / "a.csv", rows, "junk,when,what,who")
    named = run(headed, tmp_path / "ws", user_column="who", item_column="what", timestamp_column="when")
    bare = write_csv(tmp_path / "b.csv", rows, "")
    counted = run(bare, tmp_path / "ws", user_column=4, item_column=3, timestamp_column="2")
    assert read_sequences(named.folder) == read_sequences(counted.folder) == {"u": ["i0", "i1", "i2"]}


@pytest.mark.parametrize(
    "options",
    [
        {"ties": "random"},
        {"split": "half"},
        {"split": "time"},
        {"valid_from": "2014-01-01"},
        {"split": "time", "valid_from": "2015-01-01", "test_from": "2014-01-01"},
        {"split": "time", "valid_from": "soon", "test_from": "2014-01-01"},
        {"split": "given"},
        {"max_length": -1},
        {"variant": "adrec"},
        {"name": "../up"},
    ],
)
def test_wrong_options_are_usage_errors(shop: Path, tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        run(shop, tmp_path / "ws", **options)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.hint
    assert not (tmp_path / "ws" / "shop").exists()


# ---- identity


def test_the_same_input_gives_the_same_bytes(shop: Path, tmp_path: Path) -> None:
    one, two = run(shop, tmp_path / "one"), run(shop, tmp_path / "two")
    for name in ("sequences.parquet", "items.parquet", "manifest.json"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()


def test_rows_in_another_order_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [row for user in range(30) for row in history(f"u{user}", [f"i{user % 7}", "x", f"i{user % 3}"])]
    forward = run(write_csv(tmp_path / "a.csv", rows), tmp_path / "ws", ties="item", name="a")
    backward = run(write_csv(tmp_path / "b.csv", rows[::-1]), tmp_path / "ws", ties="item", name="b")
    for name in ("sequences.parquet", "items.parquet"):
        assert (forward.folder / name).read_bytes() == (backward.folder / name).read_bytes()


def test_nothing_is_done_when_nothing_changed(shop: Path, tmp_path: Path) -> None:
    first = run(shop, tmp_path / "ws")
    stamp = (first.folder / "sequences.parquet").stat().st_mtime_ns
    assert not first.skipped
    again = run(shop, tmp_path / "ws")
    assert again.skipped
    assert again.manifest == first.manifest
    assert (first.folder / "sequences.parquet").stat().st_mtime_ns == stamp
    assert not run(shop, tmp_path / "ws", force=True).skipped


def test_a_change_of_source_option_or_artifact_is_noticed(shop: Path, tmp_path: Path) -> None:
    folder = run(shop, tmp_path / "ws").folder
    assert not run(shop, tmp_path / "ws", max_length=3).skipped
    shop.write_text(shop.read_text() + f"zoe,tea,{START}\n")
    assert not run(shop, tmp_path / "ws", max_length=3).skipped
    (folder / "items.parquet").write_bytes(b"broken")
    assert not run(shop, tmp_path / "ws", max_length=3).skipped
    verify_dataset(folder, read_manifest(folder))


def test_a_failure_leaves_the_earlier_files_as_they_were(shop: Path, tmp_path: Path) -> None:
    folder = run(shop, tmp_path / "ws").folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError):
        run(shop, tmp_path / "ws", min_interactions=100)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not (tmp_path / "ws" / ".scratch").exists()


# ---- bad sources


def test_a_bad_value_is_named_with_line_and_column(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "bad.csv", [("u", "a", START), ("u", "b", "soon"), ("u", "", START)])
    with pytest.raises(InputError) as caught:
        run(source, tmp_path / "ws")
    assert f"{source}, line 3, column 'timestamp': expected a number, got 'soon' (2 such rows in all)" in str(
        caught.value
    )
    assert caught.value.exit_code == ExitCode.INPUT
    assert not (tmp_path / "ws" / "bad").exists()


def test_everything_filtered_out_says_by_what(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing is left of 7 interactions: .*min_interactions removed 7"):
        run(shop, tmp_path / "ws", min_interactions=5)


def test_a_missing_source_lists_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a named data set nor a file"):
        run(tmp_path / "none.csv", tmp_path / "ws")


# ---- named data sets


def test_demo_needs_no_file_and_is_repeatable(tmp_path: Path) -> None:
    one, two = run("demo", tmp_path / "one"), run("demo", tmp_path / "two")
    numbers = one.manifest.statistics
    assert (numbers["users"], numbers["items"]) == (2000, 500)
    assert one.warnings == []
    assert 8 <= numbers["average_length"] <= 12
    for name in ("sequences.parquet", "items.parquet", "manifest.json"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
    items = pl.read_parquet(one.folder / "items.parquet")
    assert {"title", "category"} <= set(items.columns)
    assert not items["title"].str.contains(r"^[\x00-\x7f]*$").all()


def test_demo_can_be_learned_from_the_last_item_but_not_by_popularity(tmp_path: Path) -> None:
    frame = pl.read_parquet(run("demo", tmp_path).folder / "sequences.parquet")
    follows: dict[int, dict[int, int]] = {}
    popular: dict[int, int] = {}
    for items, train_end in frame.select("items", "train_end").rows():
        for before, after in itertools.pairwise(items[:train_end]):
            follows.setdefault(before, {}).setdefault(after, 0)
            follows[before][after] += 1
        for item in items[:train_end]:
            popular[item] = popular.get(item, 0) + 1
    top = set(sorted(popular, key=popular.__getitem__)[-10:])
    best = {before: set(sorted(after, key=after.__getitem__)[-10:]) for before, after in follows.items()}
    targets = [(items[-2], items[-1]) for items in frame["items"].to_list()]
    by_last = sum(target in best.get(last, ()) for last, target in targets) / len(targets)
    by_popularity = sum(target in top for _, target in targets) / len(targets)
    assert by_popularity < 0.25
    assert 3 * by_popularity < by_last < 0.95


@sampled(
    "name,variant,users,items,interactions",
    [
        ("grocery", None, 14_681, 8_713, 151_254),
        ("ml-1m", None, 6_040, 3_416, 999_611),
        ("ml-1m", "all", 6_040, 3_706, 1_000_209),
        ("ml-100k", None, 943, 1_349, 99_287),
        ("ml-100k", "all", 943, 1_682, 100_000),
        ("ml-100k", "adrec", 938, 1_008, 54_413),
    ],
    quick=[("grocery", None, 14_681, 8_713, 151_254), ("ml-100k", "adrec", 938, 1_008, 54_413)],
)
def test_published_counts_come_out_exactly(
    shared_data: Path, tmp_path: Path, name: str, variant: str | None, users: int, items: int, interactions: int
) -> None:
    result = run(name, tmp_path, raw=shared_data, variant=variant)
    numbers = result.manifest.statistics
    assert (numbers["users"], numbers["items"], numbers["interactions"]) == (users, items, interactions)
    assert not [line for line in result.warnings if "expected" in line]
    assert result.folder.name == (name if variant is None else f"{name}-{variant}")


@sampled(
    "name,variant,splits",
    [("grocery", None, "grocery/splits"), ("ml-1m", "all", "ml-1m/rechorus1-loo")],
    quick=[("grocery", None, "grocery/splits")],
)
def test_rechorus_targets_come_out_for_all_users(
    shared_data: Path, tmp_path: Path, name: str, variant: str | None, splits: str
) -> None:
    folder = run(name, tmp_path, raw=shared_data, variant=variant).folder
    ids = pl.read_parquet(folder / "items.parquet").select(items="item_index", item_id="item_id")
    ours = pl.read_parquet(folder / "sequences.parquet")
    for file, position in (("dev", -2), ("test", -1)):
        theirs = pl.read_parquet(shared_data / splits / f"{file}.parquet")
        last = ours.select("user_id", pl.col("items").list.get(position)).join(ids, on="items").drop("items")
        both = last.join(theirs.select(pl.col("user_id", "item_id").cast(pl.String)), on=["user_id", "item_id"])
        assert both.height == theirs.height == ours.height


def test_a_difference_from_the_published_counts_is_a_warning_that_names_it(shared_data: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    frame = pl.read_parquet(shared_data / "grocery" / "interactions.parquet")
    frame.filter(pl.col("user_id") != 1).write_parquet(raw / "interactions.parquet")
    warnings = run("grocery", tmp_path / "ws", raw=raw).warnings
    assert any(line.startswith("users: 14,") and "expected 14,681" in line for line in warnings)


def test_parameters_are_json(shop: Path, tmp_path: Path) -> None:
    manifest = run(shop, tmp_path / "ws").manifest
    assert json.loads(json.dumps(manifest.parameters)) == manifest.parameters
