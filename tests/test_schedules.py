"""The crontab and systemd units: well formed, and what they run can be run."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import typer.main

from adrec_cli.cli.app import app

NIGHTS = (Path(__file__).parents[1] / "adrec_cli/promotion/README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [text for found, text in re.findall(r"^```(\w*)\n(.*?)^```$", NIGHTS, re.M | re.S) if found == language]


def unit(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def parsed(command: str) -> dict[str, object]:
    """Return the options of a command line, parsed by the command itself and not run."""
    words = shlex.split(command)
    assert words[0].endswith("/adrec")
    found = typer.main.get_command(app).commands[words[1]]  # type: ignore[attr-defined]
    return dict(found.make_context(words[1], words[2:]).params)


def test_the_crontab() -> None:
    (text,) = blocks("crontab")
    for line in text.splitlines():
        *when, command = line.split(maxsplit=5)
        assert all(re.fullmatch(r"\*|\d{1,2}", field) for field in when)
        assert not re.search(r"(?<!\\)%", command), "cron ends the command at %"
        run = re.search(r"\S+/adrec .*", command)
        assert run is not None
        options = parsed(run[0])
        assert options["promote_if"] == "ndcg@10 >= current - 0.002"
        assert options["inbox"] is not None, "what a night could not take, the next one does"
        assert "||" not in command, "no exit code is hidden"


def test_the_systemd_units() -> None:
    service, timer = map(unit, blocks("ini"))
    assert service["Service"]["Type"] == "oneshot"
    command = service["Service"]["ExecStart"]
    assert command.startswith("/"), "systemd wants the whole path"
    assert "%" not in command, "systemd expands %"
    assert parsed(command)["promote_if"] == "ndcg@10 >= current - 0.002"
    assert "SuccessExitStatus" not in service["Service"], "no exit code is hidden"
    assert re.fullmatch(r"\*-\*-\* \d\d:\d\d", timer["Timer"]["OnCalendar"])
    assert timer["Install"]["WantedBy"] == "timers.target"
