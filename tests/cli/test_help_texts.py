"""Help texts are read by everybody: noun phrases or imperatives of their own, never the rest of a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from adrec_cli.cli.app import app

FRAGMENTS = ("Of", "What", "By", "To", "For", "With", "That", "So", "How", "In", "Which", "Where", "Also", "At")


def every_parameter(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    for parameter in command.params:
        yield f"{path} {parameter.opts[0]}", parameter
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from every_parameter(inner, f"{path} {name}")


def every_command(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from every_command(inner, f"{path} {name}")


ROOT = typer.main.get_command(app)
PARAMETERS = dict(every_parameter(ROOT, "adrec"))
COMMANDS = dict(every_command(ROOT, "adrec"))


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_says_what_it_is(name):
    text = getattr(PARAMETERS[name], "help", None)
    assert text, f"{name} has no help"
    first = text.split()[0]
    assert first not in FRAGMENTS, f"{name}: {text}"
    assert first[0].isupper() or not first[0].isalpha(), f"{name}: {text}"
    assert text.rstrip().endswith((".", "]", "...")) or text.endswith("..."), f"{name}: {text}"


def test_a_default_in_words_is_shown():
    shown = CliRunner().invoke(app, ["recommend", "--help"], env={"COLUMNS": "200"}).stdout
    assert "[default: the promoted one]" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name):
    text = COMMANDS[name].help
    assert text, f"{name} has no help"
    assert text.split()[0] not in FRAGMENTS, f"{name}: {text}"
