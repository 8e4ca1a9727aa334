"""Objects that have not changed are not brought again, and those that have are."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.manifest import read_manifest, write_manifest
from adrec_cli.data import remote_versions
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.taken_files import as_files
from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import PreprocessResult, preprocess
from adrec_cli.pipeline.rollback import rollback_data
from tests.data.test_remote_beside import ITEMS
from tests.data.test_remote_files import EVENTS, put
from tests.object_store import ASKED, bucket, endpoint

__all__ = ["bucket", "endpoint"]
pytestmark = pytest.mark.usefixtures("in_shell")

OPTIONS = PreprocessOptions(items=Path("s3://lake/items.csv"), max_loss=1)
SOURCE = "s3://lake/events"
OTHERS = EVENTS.replace(b"u", b"w").replace(b"wser", b"user")


@pytest.fixture
def lake(bucket: Any) -> Any:
    """Events in two objects, and their items."""
    put(bucket, "lake/events/a.csv", EVENTS)
    put(bucket, "lake/events/b.csv", OTHERS.replace(b"\nw", b"\nv"))
    put(bucket, "lake/items.csv", ITEMS)
    return bucket


def make(workspace: Path, options: PreprocessOptions = OPTIONS, **more: Any) -> tuple[PreprocessResult, list[str]]:
    """Preprocess, and return the methods of the requests for objects that it took."""
    ASKED.clear()
    done = preprocess(SOURCE, workspace=workspace, options=options, **more)
    return done, [method for method, path in ASKED if path.endswith(".csv")]


def test_the_same_objects_are_not_brought_again(lake: Any, tmp_path: Path) -> None:
    done, asked = make(tmp_path)
    assert asked.count("GET") == 3
    assert all(len(one["etag"]) > 10 for one in done.manifest.sources)
    again, asked = make(tmp_path)
    assert again.skipped
    assert again.manifest == done.manifest
    # For each object its head; that of the items is asked for once more, as it may be a prefix.
    assert asked == ["HEAD"] * 4


CHANGES: dict[str, Callable[[Any], None]] = {
    "another content": lambda lake: put(lake, "lake/events/b.csv", OTHERS),
    "one more": lambda lake: put(lake, "lake/events/c.csv", OTHERS),
    "one less": lambda lake: lake.delete_file("lake/events/b.csv"),
    "other items": lambda lake: put(lake, "lake/items.csv", ITEMS.replace(b"Title", b"Other")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_has_changed_is_brought(name: str, lake: Any, tmp_path: Path) -> None:
    first, _ = make(tmp_path / "w")
    CHANGES[name](lake)
    done, asked = make(tmp_path / "w")
    assert not done.skipped
    assert "GET" in asked
    fresh, _ = make(tmp_path / "fresh")
    made, again, before = (
        (one.manifest.sequences_sha256, one.manifest.items_sha256, one.manifest.sources) for one in (done, fresh, first)
    )
    assert made == again
    assert made[:2] != before[:2]


def test_the_same_content_under_another_version_makes_nothing_new(lake: Any, tmp_path: Path) -> None:
    first, _ = make(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_versions, "find_etag", lambda store, path: f"other {path}")
        done, asked = make(tmp_path)
    assert "GET" in asked
    assert done.skipped
    assert done.manifest == first.manifest


def test_other_options_force_damage_and_another_adrec_bring_them(
    lake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = dataclasses.replace(OPTIONS, min_user_interactions=6)
    make(tmp_path / "w")
    assert "GET" in make(tmp_path / "w", fewer)[1]
    assert "GET" not in make(tmp_path / "w", fewer)[1]
    assert "GET" in make(tmp_path / "w", fewer, force=True)[1]
    shutil.rmtree(tmp_path / "w")
    done, _ = make(tmp_path / "w")
    (tmp_path / "w/events/sequences.parquet").write_bytes(b"x")
    again, asked = make(tmp_path / "w")
    assert "GET" in asked
    assert again.manifest.sequences_sha256 == done.manifest.sequences_sha256
    (tmp_path / "w/events/.items.parquet.1.tmp").write_bytes(b"of a killed run")
    assert "GET" in make(tmp_path / "w")[1]
    monkeypatch.setattr("adrec_cli.pipeline.preprocess.__version__", "9")
    assert "GET" in make(tmp_path / "w")[1]


@pytest.mark.parametrize("why", ["no etags", "local items"])
def test_what_cannot_be_known_by_versions_is_brought(
    why: str, lake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = OPTIONS
    if why == "no etags":
        monkeypatch.setattr(remote_versions, "find_etag", lambda store, path: "")
    else:
        (tmp_path / "items.csv").write_bytes(ITEMS)
        options = PreprocessOptions(items=tmp_path / "items.csv")
    for _ in range(2):
        done, asked = make(tmp_path / "w", options)
        assert "GET" in asked
    assert done.skipped
    assert not any("etag" in one for one in read_manifest(done.folder).sources)


def test_an_object_that_changes_after_it_was_looked_up_is_brought_the_next_time(
    lake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = remote_versions.look_up_versions

    def change_behind(source: str, options: PreprocessOptions) -> Any:
        found = look_up(source, options)
        put(lake, "lake/events/b.csv", OTHERS)
        return found

    with monkeypatch.context() as patch:
        patch.setattr("adrec_cli.pipeline.preprocess.look_up_versions", change_behind)
        make(tmp_path / "w")
    assert "GET" in make(tmp_path / "w")[1]


DAYS = [EVENTS.replace(b"160000", b"16000%d" % day) for day in range(1, 6)]
PREFIX = "s3://lake/days/"


@pytest.fixture
def nights(bucket: Any, tmp_path: Path) -> tuple[Any, Path]:
    """A data set of two days in objects, to which a third has come since."""
    for day in range(2):
        put(bucket, f"lake/days/day-{day}.csv", DAYS[day])
    folder = preprocess(PREFIX, workspace=tmp_path / "ws", options=PreprocessOptions(duplicates="keep")).folder
    put(bucket, "lake/days/day-2.csv", DAYS[2])
    return bucket, folder


def add(folder: Path, **options: Any) -> tuple[PreprocessResult, list[str]]:
    """Add the objects to a data set, and return the names of those whose content was asked for."""
    force = options.pop("force", False)
    ASKED.clear()
    done = preprocess(PREFIX, workspace=folder.parent, options=PreprocessOptions(update=folder, **options), force=force)
    return done, sorted({Path(path).stem for method, path in ASKED if method == "GET" and path.endswith(".csv")})


def test_an_update_brings_what_is_new(nights: tuple[Any, Path], tmp_path: Path) -> None:
    lake, folder = nights
    done, asked = add(folder)
    assert asked == ["day-2"]
    assert done.notes[0] == "2 objects not read again: ETag and size are those of what was taken"
    (tmp_path / "days").mkdir()
    for day in range(3):
        (tmp_path / f"days/day-{day}.csv").write_bytes(DAYS[day])
    whole = preprocess(
        str(tmp_path / "days"), workspace=tmp_path / "here", options=PreprocessOptions(duplicates="keep")
    ).manifest
    assert (done.manifest.sequences_sha256, done.manifest.items_sha256) == (whole.sequences_sha256, whole.items_sha256)
    assert [source["name"] for source in done.manifest.sources] == [source["name"] for source in whole.sources]
    again, asked = add(folder)
    assert again.skipped
    assert asked == []
    put(lake, "lake/days/day-3.csv", DAYS[3])
    put(lake, "lake/days/day-1.csv", DAYS[4])
    done, asked = add(folder)
    assert asked == ["day-1", "day-3"]
    assert done.manifest.statistics["interactions"] == 5 * 54


@pytest.mark.parametrize("options", [{"force": True}, {"retake": True}, {"ties": "item"}, {"min_interactions": 2}])
def test_an_update_with_other_options_brings_all(nights: tuple[Any, Path], options: dict[str, Any]) -> None:
    _, folder = nights
    done, asked = add(folder, **options)
    assert asked == ["day-0", "day-1", "day-2"]
    assert done.manifest.statistics["interactions"] == 3 * 54


def test_what_went_with_former_data_is_brought_and_refused(nights: tuple[Any, Path]) -> None:
    _, folder = nights
    add(folder)
    rollback_data(folder.name, workspace=folder.parent)
    with pytest.raises(InputError, match=r"day-2\.csv was withdrawn"):
        add(folder)
    assert add(folder, retake=True)[0].manifest.statistics["interactions"] == 3 * 54


def test_objects_without_a_known_version_are_given_one(nights: tuple[Any, Path]) -> None:
    _, folder = nights
    manifest = read_manifest(folder)
    write_manifest(folder, dataclasses.replace(manifest, sources=as_files(manifest.sources)))
    assert add(folder)[1] == ["day-0", "day-1", "day-2"]
    assert all(len(source["etag"]) > 10 for source in read_manifest(folder).sources)
    assert add(folder)[1] == []
