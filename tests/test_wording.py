"""Messages name options by key: every key and every command named so is one of the command line, spelled as there."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.cli.app import app
from adrec_cli.errors import UsageError
from adrec_cli.wording import command, flag, in_python, in_shell, option, shell_words
from tests.test_architecture import strings_below_the_command_line

PACKAGE = Path(__file__).resolve().parents[1] / "adrec_cli"
ROOT = typer.main.get_command(app)


def every_command(parent: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(parent, "commands", {}).items():
        full = f"{path} {name}".strip()
        yield full, inner
        yield from every_command(inner, full)


COMMANDS = dict(every_command(ROOT))
OPTIONS: dict[str, list[tuple[str, Any]]] = {}
for _name, _command in COMMANDS.items():
    for _parameter in _command.params:
        if _parameter.param_type_name == "option":
            OPTIONS.setdefault(_parameter.name, []).append((_name, _parameter))


def calls_of(function: str) -> list[tuple[str, ast.Call]]:
    """Return every call of `option` or `command` below the command line, with where it stands."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if PACKAGE / "cli" in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
                found.append((f"{path.relative_to(PACKAGE)}:{node.lineno}", node))
    return found


def constant(node: ast.expr | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def pattern(node: ast.expr) -> str:
    """Return the regular expression of the keys that an argument may be; "" for a variable."""
    if isinstance(node, ast.JoinedStr):
        return "".join(re.escape(str(constant(piece))) if constant(piece) else r"\w+" for piece in node.values)
    return re.escape(str(constant(node))) if constant(node) is not None else ""


NAMED = [(place, call) for place, call in calls_of("option") if pattern(call.args[0])]
TYPED = [(place, call) for place, call in calls_of("command") if constant(call.args[0]) is not None]


def test_every_option_is_spelled_by_the_rule() -> None:
    for name, all_ in OPTIONS.items():
        for place, parameter in all_:
            assert flag(name) in parameter.opts, f"{place}: {name}"
            if parameter.secondary_opts:
                assert shell_words(name, False) == parameter.secondary_opts, f"{place}: {name}"


def test_every_option_that_is_named_exists_and_takes_what_it_is_given() -> None:
    for place, call in NAMED:
        key = pattern(call.args[0])
        named = [one for name, all_ in OPTIONS.items() if re.fullmatch(key, name) for one in all_]
        assert named, f"{place}: no command has an option {key}"
        takers = [one for _, one in named if len(call.args) < 2 or _takes(one, constant(call.args[1]))]
        assert takers, f"{place}: no option {key} takes {ast.unparse(call.args[1])}"


def _takes(parameter: Any, value: object) -> bool:
    if isinstance(value, bool):
        return bool(parameter.is_flag and (value or parameter.secondary_opts))
    return not parameter.is_flag


@pytest.mark.parametrize(("place", "call"), TYPED, ids=[place for place, _ in TYPED])
def test_every_command_that_is_named_can_be_typed(place: str, call: ast.Call) -> None:
    """It is parsed with all its arguments and options; values only known when it runs are made up."""
    name = constant(call.args[0])
    assert name in COMMANDS, f"{place}: no command is called {name}"
    given_ = {key.arg: _made_up(name, key.arg, key.value) for key in call.keywords if key.arg is not None}
    words = shlex.split(command(name, *(constant(one) or "shop" for one in call.args[1:]), **given_))
    parsed = COMMANDS[name].make_context(name, words[1 + len(name.split()) :], resilient_parsing="help" in given_)
    for key, value in given_.items():
        assert value is None or key == "help" or parsed.params[key] not in (None, [], ()), f"{place}: {key}"


def _made_up(name: str, key: str, value: ast.expr) -> object:
    """Return the value of an option: as it stands there, or a number, which every kind of option takes."""
    known = constant(value)
    parameter = next((one for of, one in OPTIONS.get(key, []) if of == name), None)
    assert parameter is not None or key == "help", f"{name} has no option {key}"
    if known is not None and not re.fullmatch("[A-Z]+", str(known)):
        return known
    if parameter is None or parameter.is_flag:
        return True
    return 3


def test_commands_are_named_by_the_function_that_is_tested() -> None:
    """A command line written out, such as "adrec run shop", would be typed by no test."""
    for path, node in strings_below_the_command_line(PACKAGE):
        named = re.findall(r"\badrec ([a-z]+)", node.value)
        assert not set(named) & set(COMMANDS), f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.value!r}"


def test_hints_are_named_at_all() -> None:
    """What the tests above go through is not empty because something is called otherwise."""
    assert len(NAMED) > 150
    assert len(TYPED) > 50


@pytest.mark.parametrize(
    ("marked", "shell", "python"),
    [
        (option("timestamp_unit"), "--timestamp-unit", "timestamp_unit="),
        (option("timestamp_unit", "order"), "--timestamp-unit order", "timestamp_unit='order'"),
        (option("where", "event = view"), "--where 'event = view'", "where='event = view'"),
        (option("join", "FILE"), "--join FILE", "join=FILE"),
        (option("k", 5), "-k 5", "k=5"),
        (option("header", False), "--no-header", "header=False"),
        (option("resume", False), "--fresh", "resume=False"),
        (option("yes", True), "--yes", "yes=True"),
        (option("parent"), "--from", "parent="),
        ("nothing is ‹marked› here", "nothing is ‹marked› here", "nothing is ‹marked› here"),
    ],
)
def test_an_option_is_spelled_for_whom_it_is_shown_to(marked: str, shell: str, python: str) -> None:
    assert in_shell(f"say {marked}, or not") == f"say {shell}, or not"
    assert in_python(f"say {marked}, or not") == f"say {python}, or not"


@given(st.text(), st.text(), st.text())
def test_any_value_comes_through_the_shell_as_it_is(before: str, value: str, after: str) -> None:
    marked = f"{before} {option('where', value)} {after}"
    shown = "True" if value in ("True", "False") else value
    if value not in ("True", "False"):
        assert in_shell(marked) == f"{in_shell(before)} {shlex.join(['--where', shown])} {in_shell(after)}"
        assert shlex.split(in_shell(option("where", value))) == ["--where", value]


def test_an_error_is_spelled_for_python_and_keeps_the_keys() -> None:
    error = UsageError(f"{option('split', 'time')} needs {option('valid_from')}", hint=f"add {option('valid_from')}")
    assert str(error) == "split='time' needs valid_from="
    assert in_shell(error.message) == "--split time needs --valid-from"
    assert in_shell(error.hint) == "add --valid-from"


def test_a_command_is_typed_whole() -> None:
    typed = command("train", "my shop", model=None, set=["a.b=1", "c.d=x y"], force=True, resume=False, threads=2)
    assert typed == "adrec train 'my shop' --set a.b=1 --set 'c.d=x y' --force --fresh --threads 2"
