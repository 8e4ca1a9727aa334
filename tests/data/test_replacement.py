"""A data set that loses much, or all it had, where it is made again is warned of; other options are no loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.errors import InputError, UsageError
from adrec_cli.pipeline.preprocess import PreprocessOptions, preview
from tests.data.table_files import START, run, write_csv

pytestmark = pytest.mark.usefixtures("in_shell")


def export(path: Path, users: int, events: int = 5) -> Path:
    return write_csv(
        path, [(f"u{user}", f"i{event}", START + event) for user in range(users) for event in range(events)]
    )


def doubts(warnings: list[str]) -> list[str]:
    return [line for line in warnings if "is the export whole?" in line]


@pytest.mark.parametrize(
    ("users", "events", "said"),
    [
        (40, 5, ""),
        (80, 5, ""),
        (29, 5, ""),
        (28, 5, "shop comes to 140 interactions (200 before) and 28 users (40 before)"),
        (40, 3, "shop comes to 120 interactions (200 before):"),
        (1, 1, "shop comes to 1 interaction (200 before) and 1 user (40 before)"),
    ],
)
def test_a_file_that_lost_much_is_noticed(tmp_path: Path, users: int, events: int, said: str) -> None:
    source = export(tmp_path / "shop.csv", 40)
    assert doubts(run(source, tmp_path / "ws").warnings) == []
    before = (tmp_path / "ws/shop/manifest.json").read_bytes()
    export(source, users, events)
    shown = preview(str(source), workspace=tmp_path / "ws").warnings
    assert [line.startswith(said) for line in doubts(shown)] == ([True] if said else [])
    if said:
        with pytest.raises(InputError, match=r"shop comes to .* before"):
            run(source, tmp_path / "ws", strict=True)
        assert (tmp_path / "ws/shop/manifest.json").read_bytes() == before
    made = run(source, tmp_path / "ws", max_loss=1)
    assert [line.startswith(said) for line in doubts(made.warnings)] == ([True] if said else [])
    assert doubts(run(source, tmp_path / "ws", strict=True).warnings) == []


@pytest.mark.parametrize(
    ("events", "max_loss", "refused"),
    [(3, 0.4, False), (2, 0.4, True), (1, 0.4, True), (1, 1, False), (4, 0.1, True), (4, 0.2, False), (5, 0, False)],
)
def test_a_file_that_lost_too_much_is_refused(tmp_path: Path, events: int, max_loss: float, refused: bool) -> None:
    source, folder = export(tmp_path / "shop.csv", 40), tmp_path / "ws/shop"
    assert PreprocessOptions().max_loss == 0.4
    run(source, tmp_path / "ws")
    before = (folder / "manifest.json").read_bytes()
    export(source, 40, events)
    if refused:
        with pytest.raises(InputError) as caught:
            run(source, tmp_path / "ws", max_loss=max_loss)
        assert caught.value.message == f"shop comes to {40 * events} interactions (200 before): is the export whole?"
        assert caught.value.hint == "get the whole one; if nothing is missing, take it with --max-loss 1"
        assert (folder / "manifest.json").read_bytes() == before
        shown = preview(str(source), workspace=tmp_path / "ws", options=PreprocessOptions(max_loss=max_loss))
        assert doubts(shown.warnings) == [caught.value.message]
        assert run(source, tmp_path / "ws", force=True).manifest.statistics["interactions"] == 40 * events
    else:
        assert run(source, tmp_path / "ws", max_loss=max_loss).manifest.statistics["interactions"] == 40 * events


def test_a_share_lies_between_nothing_and_all() -> None:
    with pytest.raises(UsageError, match=r"--max-loss must be between 0 and 1, got 1\.5"):
        PreprocessOptions(max_loss=1.5)


def test_what_was_asked_for_is_no_loss(tmp_path: Path) -> None:
    source = export(tmp_path / "shop.csv", 40)
    folder = run(source, tmp_path / "ws").folder
    assert doubts(run(source, tmp_path / "ws", max_length=3, strict=True).warnings) == []
    assert doubts(run(export(tmp_path / "day.csv", 2), tmp_path / "ws", update=folder).warnings) == []


def test_a_handful_proves_nothing(tmp_path: Path) -> None:
    source = export(tmp_path / "shop.csv", 3)
    run(source, tmp_path / "ws")
    assert doubts(run(export(source, 1), tmp_path / "ws", strict=True).warnings) == []


@pytest.mark.parametrize(("kept", "doubted"), [(0, True), (1, True), (2, False), (30, False)])
def test_another_file_of_the_same_name_is_noticed(tmp_path: Path, kept: int, doubted: bool) -> None:
    def write(folder: str, items: range) -> Path:
        (tmp_path / folder).mkdir()
        return write_csv(
            tmp_path / folder / "events.csv", [(f"u{item % 9}", f"i{item}", START + item) for item in items]
        )

    run(write("ours", range(30)), tmp_path / "ws")
    theirs = write("theirs", range(30 - kept, 60 - kept))
    were = f"{kept} of 30 items {'was' if kept == 1 else 'were'} in events before"
    said = f"{were}: is this another shop's file?"
    for options in ({}, {"min_user_interactions": 1}):
        shown = preview(str(theirs), workspace=tmp_path / "ws", options=PreprocessOptions(**options)).warnings
        assert any(line.startswith(said) for line in shown) == doubted
    if doubted:
        with pytest.raises(InputError, match=were):
            run(theirs, tmp_path / "ws", strict=True)
    assert any(line.startswith(said) for line in run(theirs, tmp_path / "ws").warnings) == doubted
    assert run(theirs, tmp_path / "ws", name="theirs", strict=True).warnings == []
