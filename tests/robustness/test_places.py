"""Time zone, locale, clock, home and path: none of them changes an artifact or breaks a run."""

from __future__ import annotations

import contextlib
import functools
import itertools
import locale
import os
import shutil
import time

import pytest

from tests.robustness.processes import TINY, artifacts, typed
from tests.tiers import sampled

SOURCE = "user_id,item_id,timestamp\n" + "\n".join(
    # Around the hours that summer time skips and repeats in Europe.
    f"u{user},i{(user * 3 + event) % 9},2024-{month:02}-{day}T0{event % 4}:30:00"
    for user in range(12)
    for event, (month, day) in enumerate([(3, 30), (3, 31), (3, 31), (10, 26), (10, 27), (10, 27)])
)


def live_in(variables: dict[str, str | None]) -> None:
    """Set the process's environment as if it had been started with it."""
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    time.tzset()
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "")


PLACES = [
    {"TZ": "UTC"},
    {"TZ": "Europe/Berlin"},
    {"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
    {"TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8"},
    {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"},
    {"HOME": None, "USER": None, "LOGNAME": None, "XDG_CACHE_HOME": None},
    {"HOME": "/nonexistent"},
]


@pytest.mark.thorough
def test_time_zone_locale_and_home_change_no_artifact(tmp_path):
    source = tmp_path / "shop.csv"
    source.write_text(SOURCE)
    made = []
    for number, place in enumerate(PLACES):
        workspace = tmp_path / str(number)
        line = ["run", source, *TINY, "--epochs", "1", "--workspace", workspace]
        ended = typed(line, tmp_path, functools.partial(live_in, place))
        assert ended.exit_code == 0, (place, ended.stderr)
        made.append(artifacts(workspace))
    assert all(other == made[0] for other in made)


def turn_back_the_clock() -> None:
    """Let the clock jump back an hour whenever it is asked."""
    real, asked = time.time, itertools.count()
    time.time = lambda: real() - 3600 * next(asked)


def test_a_clock_that_jumps_back(finished, csv, tmp_path):
    workspace = tmp_path / "workspace"
    ended = typed(["run", csv, *TINY, "--workspace", workspace], tmp_path, turn_back_the_clock)
    assert ended.exit_code == 0, ended.stderr
    assert artifacts(workspace) == artifacts(finished)
    for path in workspace.rglob("*"):
        os.utime(path, (4_000_000_000, 4_000_000_000))
    again = typed(["run", csv, *TINY, "--workspace", workspace], tmp_path)
    assert again.exit_code == 0
    assert artifacts(workspace) == artifacts(finished)


@sampled(
    "name",
    ["with spaces  and 'quotes\"", "ünï-東京-🛒", "x" * 200, "-starts-with-a-dash", "[glob]*?", "%s{0}$HOME"],
    quick=["-starts-with-a-dash"],
)
def test_any_path(finished, csv, tmp_path, name):
    place = tmp_path / name
    place.mkdir()
    source = shutil.copy(csv, place)
    line = ["run", source, *TINY, "--workspace", place / "workspace"]
    ended = typed(line, tmp_path)
    assert ended.exit_code == 0, ended.stderr
    assert artifacts(place / "workspace") == artifacts(finished)
    assert typed(["verify", "--workspace", place / "workspace"], tmp_path).exit_code == 0
