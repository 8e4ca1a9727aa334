"""Where validation and test begin: moments of the calendar, in a zone, and before the newest event."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.data.moments import check_order, read_moment, resolve_moment
from adrec_cli.errors import UsageError
from tests.data.table_files import read_bounds, run, write_csv

DAY = 86_400 * 10**6


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2021-12-02", "UTC", 1_638_403_200 * 10**6),
        ("2021-12-02", "Europe/Berlin", (1_638_403_200 - 3600) * 10**6),
        ("2021-12-02T00:00:00Z", "Europe/Berlin", 1_638_403_200 * 10**6),
        ("-14d", "Europe/Berlin", -14 * DAY),
        ("-2w", "UTC", -14 * DAY),
        ("-12h", "UTC", -DAY // 2),
        ("-0d", "UTC", 0),
    ],
)
def test_a_moment_is_read(text: str, zone: str, expected: int) -> None:
    assert resolve_moment(read_moment(text, "--valid-from", zone), 0) == expected


@pytest.mark.parametrize("text", ["-14", "-d", "14d", "-1.5d", "-14m", "- 14d", "soon", "-1d-2h"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_moment(text, "--valid-from", "UTC")
    assert caught.value.hint


def test_validation_begins_before_test() -> None:
    check_order("-14d", "-14d")
    check_order(5, "-1d")
    for moments in (("-7d", "-2w"), (6, 5)):
        with pytest.raises(UsageError, match="lies after"):
            check_order(*moments)
    with pytest.raises(UsageError, match="lies after"):
        check_order(5, "-1d", newest=DAY + 4)
    check_order(5, "-1d", newest=DAY + 5)


def rows(first: int, last: int) -> list[tuple[str, str, str]]:
    return [("u", f"i{day:02}", f"2021-12-{day:02} 12:00") for day in range(first, last + 1)]


def test_relative_moments_move_with_the_newest_event_of_an_update(tmp_path: Path) -> None:
    first = write_csv(tmp_path / "shop.csv", rows(1, 10))
    result = run(first, tmp_path / "ws", valid_from="-4d", test_from="-48h")
    found = result.manifest.parameters["found"]
    assert (found["valid_from"], found["test_from"]) == ("2021-12-06T12:00:00Z", "2021-12-08T12:00:00Z")
    assert result.manifest.parameters["valid_from"] == "-4d"
    # What lies exactly at the moment belongs to what begins there.
    assert read_bounds(result.folder) == {"u": (5, 7)}
    assert run(first, tmp_path / "ws", valid_from="-4d", test_from="-48h").skipped
    night = write_csv(tmp_path / "night.csv", rows(11, 20))
    result = run(night, tmp_path / "ws", update=tmp_path / "ws" / "shop")
    assert result.manifest.parameters["found"]["test_from"] == "2021-12-18T12:00:00Z"
    assert read_bounds(result.folder) == {"u": (15, 17)}
    whole = run(write_csv(tmp_path / "whole.csv", rows(1, 20)), tmp_path / "ws", valid_from="-4d", test_from="-48h")
    assert whole.manifest.sequences_sha256 == result.manifest.sequences_sha256


def test_moments_without_a_zone_are_local(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", [("u", f"i{hour}", f"2021-12-02 0{hour}:00") for hour in range(6)])
    asked = {"valid_from": "2021-12-02 02:00", "test_from": "2021-12-02T03:00:00Z"}
    result = run(source, tmp_path / "ws", timezone="Europe/Berlin", **asked)
    assert read_bounds(result.folder) == {"u": (2, 4)}


def test_a_split_in_time_needs_times(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", [("u", "a"), ("u", "b")], "user_id,item_id")
    with pytest.raises(UsageError, match="needs times"):
        run(source, tmp_path / "ws", valid_from="-4d", test_from="-2d")


def test_moments_of_both_kinds_are_compared_once_the_newest_event_is_known(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "shop.csv", rows(1, 10))
    with pytest.raises(UsageError, match="lies after"):
        run(source, tmp_path / "ws", valid_from="2021-12-09", test_from="-4d")
    assert read_bounds(run(source, tmp_path / "ws", valid_from="2021-12-05", test_from="-4d").folder) == {"u": (4, 5)}


@pytest.mark.parametrize(
    ("valid_from", "test_from", "empty"),
    [
        ("2021-12-03", "2021-12-04", ""),
        ("-2d", "-1d", ""),
        ("2021-12-03", "2021-12-06", "test has none"),
        ("2022-01-01", "2022-02-01", "validation has none, test has none"),
        ("2021-12-02", "2021-12-03", "training has none"),
        ("2000-01-01", "2000-01-01", "training has none"),
        ("2000-01-01", "2030-01-01", "test has none, training has none"),
        ("2021-12-03T01:00", "2021-12-03T23:00", "validation has none"),
        ("2021-12-03", "2021-12-03", ""),
        ("2000-01-01", "2000-02-01", "validation has none, training has none"),
    ],
)
def test_a_part_that_no_event_falls_into_is_said(tmp_path: Path, valid_from: str, test_from: str, empty: str) -> None:
    rows = [("u", f"i{day}", f"2021-12-0{day}T00:00:00Z") for day in range(2, 6)]
    source = write_csv(tmp_path / "t.csv", rows)
    made = run(source, tmp_path / "ws", split="time", valid_from=valid_from, test_from=test_from)
    said = [line.split(", so ")[1].split(":")[0] for line in made.warnings if "no event is" in line]
    assert ", ".join(said) == empty
    train_end, valid_end = read_bounds(made.folder)["u"]
    parts = {"training": train_end, "validation": valid_end - train_end, "test": 4 - valid_end}
    # Whoever gives one moment twice wants no validation.
    assert {line.split()[0] for line in said} == {
        name for name, events in parts.items() if not events and (name != "validation" or valid_from != test_from)
    }
