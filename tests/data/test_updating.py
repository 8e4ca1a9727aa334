"""Adding to a preprocessed data set: indices stay, events are merged, nothing is counted twice."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adrec_cli.artifacts.dataset import verify_dataset
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.errors import AdrecError, ArtifactError, InputError, UsageError
from adrec_cli.pipeline.preprocess import PreprocessOptions, PreprocessResult, preprocess, preview
from tests.data.table_files import START, history, read_bounds, read_sequences, write_csv


def run(source: object, workspace: Path, **options: object) -> PreprocessResult:
    return preprocess(str(source), workspace=workspace, options=PreprocessOptions(**options))  # type: ignore[arg-type]


def indices(folder: Path) -> dict[str, int]:
    return dict(pl.read_parquet(folder / "items.parquet").select("item_id", "item_index").rows())


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    rows = history("anna", ["milk", "bread", "tea"]) + history("ben", ["tea", "milk"])
    return run(write_csv(tmp_path / "shop.csv", rows), tmp_path / "ws").folder


def test_known_items_keep_their_index_and_new_ones_follow(shop: Path, tmp_path: Path) -> None:
    before = indices(shop)
    rows = [("anna", "apple", START + 10**6), ("zoe", "zucchini", START), ("zoe", "milk", START + 1)]
    result = run(write_csv(tmp_path / "more.csv", rows), tmp_path / "ws", update=shop)
    after = indices(shop)
    assert before == {"bread": 1, "milk": 2, "tea": 3}
    assert after == {**before, "apple": 4, "zucchini": 5}
    assert read_sequences(shop) == {
        "anna": ["milk", "bread", "tea", "apple"],
        "ben": ["tea", "milk"],
        "zoe": ["zucchini", "milk"],
    }
    assert read_bounds(shop)["anna"] == (2, 3)
    assert result.folder == shop
    assert [source["name"] for source in result.manifest.sources] == ["shop.csv", "more.csv"]
    verify_dataset(shop, read_manifest(shop))


@pytest.mark.parametrize("name", ["demo", "ml-1m", "a" * 200, "(copy of) \N{SNOWMAN}"])
def test_what_is_added_is_called_anything(shop: Path, tmp_path: Path, name: str) -> None:
    """No name is chosen for it, so none is refused, and none is said to have been changed."""
    more = write_csv(tmp_path / f"{name}.csv", [("u9", f"i{event}", START + 10**8 + event) for event in range(3)])
    updated = preprocess(str(more), workspace=tmp_path, options=PreprocessOptions(update=shop))
    assert updated.manifest.dataset == "shop"
    assert not [note for note in updated.notes if "named" in note]


def test_the_grown_log_and_only_its_new_rows_give_the_same(tmp_path: Path) -> None:
    rows = [row for user in range(20) for row in history(f"u{user}", [f"i{(user * 7 + n) % 9}" for n in range(6)])]
    rows.sort(key=lambda row: (row[2], row[0]))
    old, new = rows[:70], rows[70:]
    made = []
    for name, source in (("new", new), ("grown", rows)):
        folder = run(write_csv(tmp_path / "old.csv", old), tmp_path / name, name="log").folder
        run(write_csv(tmp_path / f"{name}.csv", source), tmp_path / name, update=folder)
        made.append(folder)
    whole = run(tmp_path / "grown.csv", tmp_path / "whole", name="log").folder
    assert read_sequences(made[0]) == read_sequences(made[1]) == read_sequences(whole)
    assert (made[0] / "sequences.parquet").read_bytes() == (made[1] / "sequences.parquet").read_bytes()


def test_updating_again_with_the_same_file_does_nothing(shop: Path, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "more.csv", [("anna", "apple", START + 10**6)])
    first = run(source, tmp_path / "ws", update=shop)
    again = run(source, tmp_path / "ws", update=shop)
    assert not first.skipped
    assert again.skipped
    assert again.manifest == first.manifest


def test_filters_go_on_as_they_were(tmp_path: Path) -> None:
    rows = [row for user in "abc" for row in history(user, ["x", "y", "z"])]
    folder = run(write_csv(tmp_path / "s.csv", rows), tmp_path / "ws", min_interactions=3, max_length=3).folder
    more = [("a", "x", START + 10**6), ("d", "x", START), ("a", "rare", START + 10**6 + 1)]
    result = run(write_csv(tmp_path / "more.csv", more), tmp_path / "ws", update=folder)
    assert result.manifest.parameters["min_user_interactions"] == 3
    assert read_sequences(folder) == {"a": ["y", "z", "x"], "b": ["x", "y", "z"], "c": ["x", "y", "z"]}


def test_an_item_that_nobody_has_any_longer_keeps_its_index(tmp_path: Path) -> None:
    folder = run(write_csv(tmp_path / "s.csv", history("a", ["old", "x", "y"])), tmp_path / "ws", max_length=3).folder
    more = history("a", ["x", "y", "z"], START + 10**6)
    run(write_csv(tmp_path / "more.csv", more), tmp_path / "ws", update=folder)
    items = pl.read_parquet(folder / "items.parquet")
    assert items.select("item_index", "item_id", "count").rows() == [
        (1, "old", 0),
        (2, "x", 1),
        (3, "y", 0),
        (4, "z", 0),
    ]


def test_metadata_stays_and_grows(tmp_path: Path) -> None:
    titles = tmp_path / "titles.csv"
    titles.write_text("item_id,title\nx,The X\ny,The Y\n")
    source = write_csv(tmp_path / "s.csv", history("a", ["x", "y"]))
    folder = run(source, tmp_path / "ws", items=titles).folder
    titles.write_text("item_id,title\nz,The Z\ny,The new Y\n")
    more = write_csv(tmp_path / "more.csv", history("a", ["z"], START + 10**6))
    run(more, tmp_path / "ws", update=folder, items=titles)
    found = dict(pl.read_parquet(folder / "items.parquet").select("item_id", "title").rows())
    assert found == {"x": "The X", "y": "The new Y", "z": "The Z"}


def test_a_time_split_goes_on(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "s.csv", history("a", ["x", "y", "z"]))
    moment = {"valid_from": "2014-05-13T16:54:20", "test_from": "2014-05-13T16:55:20"}
    folder = run(source, tmp_path / "ws", split="time", **moment).folder
    run(write_csv(tmp_path / "more.csv", history("a", ["w"], START + 600)), tmp_path / "ws", update=folder)
    assert read_bounds(folder) == {"a": (1, 2)}
    assert read_sequences(folder) == {"a": ["x", "y", "z", "w"]}


def test_what_cannot_be_added_to_is_refused(shop: Path, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "more.csv", [("anna", "apple", START)])
    untimed = write_csv(tmp_path / "untimed.csv", [("anna", "apple")], "user_id,item_id")
    cases: list[tuple[Path, dict[str, object], type[AdrecError]]] = [
        (source, {"update": tmp_path / "nothing"}, ArtifactError),
        (source, {"update": shop, "name": "other"}, UsageError),
        (untimed, {"update": shop}, InputError),
    ]
    for path, options, error in cases:
        with pytest.raises(error):
            run(path, tmp_path / "ws", **options)
    cut = tmp_path / "cut"
    cut.mkdir()
    for name in ("train", "dev", "test"):
        write_csv(cut / f"{name}.csv", [("u", name, START)])
    given = run(cut, tmp_path / "ws").folder
    with pytest.raises(UsageError, match="keeps the split of its source"):
        run(source, tmp_path / "ws", update=given)


def test_an_update_can_be_previewed(shop: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in shop.iterdir()}
    source = write_csv(tmp_path / "more.csv", [("anna", "apple", START + 10**6)])
    seen = preview(str(source), workspace=tmp_path / "ws", options=PreprocessOptions(update=shop))
    assert seen.dataset == "shop"
    assert seen.statistics["interactions"] == 6
    assert {path.name: path.read_bytes() for path in shop.iterdir()} == before


def test_a_night_without_a_wanted_event_adds_nothing(tmp_path: Path) -> None:
    header = "user_id,item_id,timestamp,event"
    first = [("anna", "milk", START, "buy"), ("anna", "tea", START + 1, "view")]
    folder = run(write_csv(tmp_path / "shop.csv", first, header), tmp_path / "ws", where=("event = buy",)).folder
    night = write_csv(tmp_path / "night.csv", [("ben", "tea", START + 2, "view")], header)
    assert run(night, tmp_path / "ws", update=folder).manifest.statistics["interactions"] == 1
    with pytest.raises(InputError, match="no row meets"):
        run(night, tmp_path / "ws", update=folder, where=("event = bought",))
