"""Help pages: nothing is cut or broken, the usual options come first, and all of them with --help-all."""

from __future__ import annotations

import re
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from adrec_cli.cli.app import app
from adrec_cli.cli.commands import COMMANDS
from adrec_cli.cli.failures import report_usage
from adrec_cli.cli.show.help_page import list_rows

ROOT: Any = typer.main.get_command(app)
LONG = ["run", "train", "recommend", "preprocess"]
PACKAGE = Path(__file__).resolve().parents[2] / "adrec_cli"


def page(*words: str, columns: int = 80) -> str:
    done = CliRunner(env={"COLUMNS": str(columns)}).invoke(app, list(words), prog_name="adrec")
    assert done.exit_code == 0, done.stderr
    return done.stdout


def whole_page(name: str, columns: int = 80) -> str:
    return page(name, "--help-all" if has_more(name) else "--help", columns=columns)


def has_more(name: str) -> bool:
    return any("--help-all" in one.opts and not one.hidden for one in ROOT.commands[name].params)


@pytest.mark.parametrize("columns", [50, 80, 200])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_shown_whole_and_no_word_is_broken(name: str, columns: int) -> None:
    text = whole_page(name, columns)
    words = text.replace(",", " ").split()
    for one in ROOT.commands[name].params:
        if getattr(one, "hidden", False):
            continue
        if one.param_type_name == "option":
            assert {*one.opts, *one.secondary_opts} <= {*words}, one.name
            assert one.is_flag or one.metavar in text, one.name
        # Line ends aside, what is written is shown as it is written, brackets too.
        assert " ".join(one.help.split()) in " ".join(text.split()), one.name
    assert "<bool>" not in text
    for line in text.partition("Examples:")[0].splitlines():
        # What cannot be broken stands on a line of its own.
        assert len(line) < min(columns, 100) or len(line.split("  ")[-1].split()) == 1 or line.startswith("Usage:"), (
            line
        )


@given(st.lists(st.text(ascii_lowercase + "/-=", min_size=1, max_size=70), min_size=1), st.integers(1, 250))
def test_any_words_stand_whole_in_lines_that_fit(words: list[str], columns: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        _, *lines = list_rows("Title", [("--name", " ".join(words))])
    assert " ".join(lines).split() == ["--name", *words]
    for line in lines:
        assert len(line) <= max(min(columns, 100) - 1, 40) or len(line.split()) == 1 + line.startswith("  -")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_short_page_has_about_twenty_options_and_says_how_many_more_there_are(name: str) -> None:
    short, whole = ([*re.finditer(r"^  -", text, re.M)] for text in (page(name, "--help"), whole_page(name)))
    assert len(short) <= 28
    assert has_more(name) == (len(whole) > len(short))
    more = re.search(rf"^(\d+) more options: adrec {name} --help-all$", page(name, "--help"), re.M)
    assert (int(more[1]) if more else 0) == len(whole) - len(short)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_all_works_for_every_command_also_where_help_shows_all(name: str) -> None:
    assert has_more(name) or page(name, "--help-all") == page(name, "--help")


@pytest.mark.parametrize("name", LONG)
def test_the_usual_options_are_those_of_every_day(name: str) -> None:
    assert has_more(name)
    daily = {
        "run": ["--inbox", "--promote-if", "--update", "--epochs", "--workspace"],
        "train": ["--preset", "--config", "--set", "--epochs", "--learning-rate", "--device"],
        "recommend": ["--user", "--history", "--all", "--out", "--top"],
        "preprocess": ["--user-column", "--timestamp-column", "--split", "--dry-run"],
    }
    shown = page(name, "--help").replace(",", " ").split()
    assert {*daily[name]} <= {*shown}
    assert "--log-format" not in shown


@pytest.mark.parametrize("name", LONG)
def test_defaults_are_shown_where_there_are_any(name: str) -> None:
    shown = " ".join(page(name, "--help-all", columns=200).split())
    options = [one for one in ROOT.commands[name].params if not getattr(one, "hidden", False)]
    said = [one for one in options if "[default:" in (one.help or "")]
    plain = [one for one in options if one not in said and not getattr(one, "is_flag", False) and one.show_default]
    numbers = [one.default for one in plain if isinstance(one.default, int | float)]
    assert all(f"[default: {value}]" in shown for value in numbers)
    assert "[default: ]" not in shown
    assert "[default: None]" not in shown


def test_typing_nothing_takes_twelve_lines_at_most() -> None:
    lines = page().splitlines()
    assert 3 < len(lines) <= 12
    assert max(map(len, lines)) < 80
    for command in re.findall(r"adrec ([a-z]+)", "\n".join(lines)):
        assert command in COMMANDS or command in ("trains",), command


def test_the_first_page_lists_every_command_once_under_its_panel() -> None:
    text = page("--help")
    assert [name for name in re.findall(r"^  ([a-z]+)  ", text, re.M) if name in COMMANDS] == sorted(
        COMMANDS, key=lambda name: [*dict.fromkeys(COMMANDS.values())].index(COMMANDS[name])
    )


def test_a_command_is_one_line_and_a_module_of_its_name() -> None:
    """What README says of adding one: its module is found by its name, and loaded only when it is asked for."""
    for name in COMMANDS:
        assert (PACKAGE / "cli" / f"{name}.py").is_file()
    lines = (PACKAGE / "cli/commands.py").read_text().splitlines()
    assert all(sum(f'"{name}"' in line for line in lines) == 1 for name in COMMANDS)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (["train", "--epoch", "3"], "did you mean --epochs?"),
        (["recommend", "--excludeseen"], "did you mean --exclude-seen or --include-seen?"),
        (["train", "--user", "3"], "see: adrec train --help"),
        (["train", "--xyz"], "see: adrec train --help"),
        (["run", "demo", "--help-al"], "did you mean --help-all or --help?"),
    ],
)
def test_options_are_suggested_only_where_one_is_near(
    capsys: pytest.CaptureFixture[str], typed: list[str], hint: str
) -> None:
    with pytest.raises(Exception, match="No such option") as refused:
        app(args=typed, prog_name="adrec", standalone_mode=False)
    assert report_usage(refused.value) == 2
    said = capsys.readouterr().err
    assert said.endswith(f"hint: {hint}\n")
    assert "Possible" not in said
