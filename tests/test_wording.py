"""Messages name options by key: every key and every command named so is one of the command line, spelled as there.

They are spelled when they are made, so that none leaves the package otherwise, wherever it goes.
"""

from __future__ import annotations

import ast
import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from adrec_cli.artifacts.lock import exclusive, find_holder
from adrec_cli.cli.app import app
from adrec_cli.data import inbox
from adrec_cli.data.inbox import Inbox, take_files
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.errors import UsageError
from adrec_cli.pipeline.preprocess import preprocess, preprocess_locked
from adrec_cli.wording import (
    command,
    command_anywhere,
    complete_command,
    flag,
    option,
    say_count,
    shell_words,
    speak_shell,
    speaks_shell,
)
from tests.test_architecture import parsed, strings_below_the_command_line

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


def calls_of(*functions: str) -> dict[str, list[tuple[str, ast.Call]]]:
    """Return every call of each function below the command line, with where it stands."""
    found: dict[str, list[tuple[str, ast.Call]]] = {function: [] for function in functions}
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text()
        if PACKAGE / "cli" in path.parents or not any(f"{function}(" in source for function in functions):
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
                found[node.func.id].append((f"{path.relative_to(PACKAGE)}:{node.lineno}", node))
    return found


def constant(node: ast.expr | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def pattern(node: ast.expr) -> str:
    """Return the regular expression of the keys that an argument may be; "" for a variable."""
    if isinstance(node, ast.JoinedStr):
        return "".join(re.escape(str(constant(piece))) if constant(piece) else r"\w+" for piece in node.values)
    return re.escape(str(constant(node))) if constant(node) is not None else ""


_CALLS = calls_of("option", "flag", "command", "command_anywhere")
NAMED = [(place, call) for name in ("option", "flag") for place, call in _CALLS[name] if pattern(call.args[0])]
TYPED = [
    (place, call)
    for name in ("command", "command_anywhere")
    for place, call in _CALLS[name]
    if constant(call.args[0]) is not None
]


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
    say = command if getattr(call.func, "id", "") == "command" else command_anywhere
    with speak_shell(workspace="else where"):
        words = shlex.split(say(name, *(constant(one) or "shop" for one in call.args[1:]), **given_))
    parsed = COMMANDS[name].make_context(name, words[1 + len(name.split()) :], resilient_parsing="help" in given_)
    for key, value in given_.items():
        assert value is None or key == "help" or parsed.params[key] not in (None, [], ()), f"{place}: {key}"
    found = {True: "else where", False: parsed.params["workspace"]}[say is command and "workspace" not in given_]
    assert str(parsed.params["workspace"]) == str(found), f"{place}: the command would look for another workspace"


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


@given(st.text(min_size=1).filter(lambda name: "\0" not in name))
def test_a_command_to_type_next_names_the_workspace_and_one_that_is_kept_does_not(workspace: str) -> None:
    kept = command_anywhere("run", "shop", model="sasrec")
    assert complete_command(kept) == command("run", "shop", model="sasrec") == kept
    with speak_shell(workspace=workspace):
        assert command_anywhere("run", "shop", model="sasrec") == kept
        said = command("run", "shop", model="sasrec")
        assert shlex.split(said) == [*shlex.split(kept), "--workspace", workspace]
        assert complete_command(kept) == complete_command(said) == said
        assert command("clean", workspace="other") == "adrec clean --workspace other"
    assert command("run", "shop", model="sasrec") == kept


def test_commands_are_named_by_the_function_that_is_tested() -> None:
    """A command line written out, such as "adrec run shop", would be typed by no test."""
    for path, node in strings_below_the_command_line(PACKAGE):
        named = re.findall(r"\badrec ([a-z]+)", node.value)
        assert not set(named) & set(COMMANDS), f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.value!r}"


def test_the_command_line_makes_commands_of_values_where_all_are_made() -> None:
    """One put together by hand would name no workspace, and quote nothing."""
    for path in sorted((PACKAGE / "cli").rglob("*.py")):
        for node in ast.walk(parsed(path)):
            for piece in node.values if isinstance(node, ast.JoinedStr) else []:
                named = re.findall(r"\badrec ([a-z]+) $", str(constant(piece)))
                assert not set(named) & set(COMMANDS), f"{path.relative_to(PACKAGE)}:{node.lineno}"


def test_hints_are_named_at_all() -> None:
    """What the tests above go through is not empty because something is called otherwise."""
    assert len(NAMED) > 150
    assert len(TYPED) > 50


def test_no_message_is_made_before_it_is_known_who_is_told() -> None:
    """What a module makes when it is loaded is spelled for Python, whoever reads it later."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if PACKAGE / "cli" in path.parents:
            continue
        for node in outside_of_functions(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "option"), (
                f"{path.relative_to(PACKAGE)}:{node.lineno}"
            )


def outside_of_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is computed when a module is loaded: all but bodies of functions."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for default in (*inner.args.defaults, *filter(None, inner.args.kw_defaults), *inner.decorator_list):
                yield from (default, *outside_of_functions(default))
        elif not isinstance(inner, ast.Lambda):
            yield inner
            yield from outside_of_functions(inner)


@pytest.mark.parametrize(
    ("key", "value", "shell", "python"),
    [
        ("timestamp_unit", None, "--timestamp-unit", "timestamp_unit="),
        ("timestamp_unit", "order", "--timestamp-unit order", "timestamp_unit='order'"),
        ("where", "event = view", "--where 'event = view'", "where='event = view'"),
        ("join", "FILE", "--join FILE", "join=FILE"),
        ("k", 5, "-k 5", "k=5"),
        ("header", False, "--no-header", "header=False"),
        ("resume", False, "--fresh", "resume=False"),
        ("yes", True, "--yes", "yes=True"),
        ("parent", None, "--from", "parent="),
    ],
)
def test_an_option_is_spelled_for_whoever_began(key: str, value: object, shell: str, python: str) -> None:
    assert option(key, value) == python
    with speak_shell():
        assert option(key, value) == shell
        with speak_shell(False):
            assert option(key, value) == python
        assert speaks_shell()
    assert option(key, value) == python
    assert not speaks_shell()


@given(st.text())
def test_any_value_comes_through_the_shell_as_it_is(value: str) -> None:
    with speak_shell():
        assert shlex.split(option("where", value)) == ["--where", value]


@given(st.text())
def test_any_value_comes_through_python_as_it_is(value: str) -> None:
    said = option("where", value)
    assert said == f"where={value}" or ast.literal_eval(said.removeprefix("where=")) == value


def test_nothing_stands_for_an_option_until_it_is_shown() -> None:
    """No mark that somebody must replace on each way out, and would forget on one."""
    assert not [
        path for path in PACKAGE.rglob("*.py") if "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}" in path.read_text()
    ]


def test_an_error_is_spelled_where_it_is_raised() -> None:
    error = UsageError(f"{option('split', 'time')} needs {option('valid_from')}", hint=f"add {option('valid_from')}")
    assert (str(error), error.message, error.hint) == ("split='time' needs valid_from=",) * 2 + ("add valid_from=",)


@pytest.mark.parametrize(
    ("typed", "bad_row", "named", "unit"),
    [
        (True, "--on-bad-row skip", "--model adrec", "--timestamp-unit"),
        (False, "on_bad_row='skip'", "model='adrec'", "timestamp_unit="),
    ],
    ids=["command", "python"],
)
def test_texts_are_spelled_wherever_they_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: bool, bad_row: str, named: str, unit: str
) -> None:
    """Into results, events, and files that others read, such as the lock's and the manifest."""
    monkeypatch.setattr(inbox, "SETTLING_SECONDS", 0.0)
    lines = ["user_id,item_id,timestamp", *(f"u{n % 9},i{n % 5},{1638406800 + n}" for n in range(90))]
    source, bad = tmp_path / "shop.csv", tmp_path / "incoming/bad.csv"
    bad.parent.mkdir()
    source.write_text("\n".join([*lines, ""]))
    bad.write_text("\n".join([*lines, "u1,i1,never", ""]))
    told: list[Any] = []
    with speak_shell(typed):
        made = preprocess(str(source), workspace=tmp_path, options=PreprocessOptions(timestamp_unit="ms"))
        update = PreprocessOptions(update=made.folder)
        take = functools.partial(preprocess_locked, workspace=tmp_path, raw=None, options=update, on_event=told.append)
        with exclusive(made.folder, f"run shop {option('model', 'adrec')}"):
            holder = find_holder(made.folder)
            taken = take_files(Inbox(folder=bad.parent), made.folder, lambda path: take(str(path)), told.append)
    (refused,) = taken.refused
    assert refused in told
    assert any(f"is {unit} right?" in text for text in made.warnings)
    assert bad_row in refused.hint
    assert named in holder


def test_a_command_that_fails_leaves_python_as_it_was(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["recommend", "--user", "x", "--samples", "0", "--workspace", str(tmp_path)])
    assert done.exit_code != 0
    assert not speaks_shell()


def test_a_command_is_typed_whole() -> None:
    typed = command("train", "my shop", model=None, set=["a.b=1", "c.d=x y"], force=True, resume=False, threads=2)
    assert typed == "adrec train 'my shop' --set a.b=1 --set 'c.d=x y' --force --fresh --threads 2"


def test_one_is_singular_and_all_else_plural() -> None:
    said = [say_count(number, "new item") for number in (0, 1, 2, 1_234)]
    assert said == ["0 new items", "1 new item", "2 new items", "1,234 new items"]
