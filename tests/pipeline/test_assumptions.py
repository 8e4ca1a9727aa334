"""What was assumed about a source is said: by preprocess, by run, in the manifest, and where nothing is written."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.experiments.events import SourceRead
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import Work
from adrec_cli.pipeline.preprocess import PreprocessOptions, preview
from adrec_cli.pipeline.run import RunOptions
from adrec_cli.pipeline.run import run as run_all
from adrec_cli.wording import speak_shell
from tests.conftest import TINY, write_interactions
from tests.data.table_files import run, write_csv

LOG = [("u2", "b", "2024-01-03"), ("u1", "a", "2024-01-02"), ("u2", "a", "2024-01-01")]


def test_the_columns_the_header_the_times_and_the_zone_are_one_line_everywhere(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "log.csv", LOG, "customer,sku,bought_at")
    made = run(source, tmp_path / "ws")
    line = made.notes[0]
    for part in ("commas", "a header", "user = customer, item = sku, timestamp = bought_at", "taken as UTC"):
        assert part in line
    assert made.manifest.reading["assumed"][0] == line
    assert read_manifest(made.folder).reading["assumed"][0] == line
    seen = preview(str(source), workspace=tmp_path / "ws", options=PreprocessOptions())
    assert line in seen.notes
    assert seen.reading == made.manifest.reading
    again = run(source, tmp_path / "ws")
    assert again.skipped
    assert line in again.notes


def test_a_preview_shows_the_first_two_users(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "log.csv", LOG, "customer,sku,bought_at")
    seen = preview(str(source), workspace=tmp_path / "ws", options=PreprocessOptions())
    assert seen.sequences == [
        {"user_id": "u1", "length": 1, "items": ["a"], "times": ["2024-01-02T00:00:00Z"]},
        {"user_id": "u2", "length": 2, "items": ["a", "b"], "times": ["2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z"]},
    ]
    untimed = write_csv(tmp_path / "o.csv", [("u", f"i{n}") for n in range(20)] + [("v", "i"), ("w", "i")], "user,item")
    seen = preview(str(untimed), workspace=tmp_path / "ws", options=PreprocessOptions())
    assert [(one["user_id"], one["length"], len(one["items"]), one["times"]) for one in seen.sequences] == [
        ("u", 20, 8, []),
        ("v", 1, 1, []),
    ]
    assert "no times: the order of the rows" in seen.notes[0]


def test_sessions_and_unused_dates_are_said_plainly(tmp_path: Path) -> None:
    rows = [("s1", "a", "2024-01-02", "1999-01-01"), ("s2", "a", "2024-01-02", "1999-01-01")]
    made = run(write_csv(tmp_path / "log.csv", rows, "session_id,item_id,date,release_date"), tmp_path / "ws")
    assert any(note.startswith("each session (session_id) is taken as a user") for note in made.notes)
    assert "not read as the time: release_date" in made.notes
    assert set(made.notes[1:]) <= set(made.manifest.reading["assumed"])


def test_run_says_it_before_it_trains(tmp_path: Path) -> None:
    write_interactions(tmp_path / "log.csv", users=20)
    events: list[object] = []
    done = run_all(
        str(tmp_path / "log.csv"),
        workspace=tmp_path / "ws",
        model_name="sasrec",
        options=RunOptions(
            experiment=ExperimentOptions(overrides={"training": TINY["training"], "stages": {"train": {"epochs": 1}}})
        ),
        work=Work(on_event=events.append),
    )
    (read,) = [event for event in events if isinstance(event, SourceRead)]
    assert list(read.notes) == done.notes
    assert done.notes[0].startswith("read as commas between columns, a header; user = user_id")


def test_a_manifest_spells_options_as_one_types_them(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "log.csv", [(f" {user} ", item, time) for user, item, time in LOG], "user,item,date")
    made = run(source, tmp_path / "ws")
    assert "--keep-blanks" in " ".join(made.manifest.reading["assumed"])
    with speak_shell():
        typed = run(source, tmp_path / "typed")
    assert typed.manifest.reading == made.manifest.reading, "whoever made it"
    assert "‹" not in (made.folder / "manifest.json").read_text(encoding="utf-8")
