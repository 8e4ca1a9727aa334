"""The help of a command as plain lines: options are never cut, words never broken, whatever the terminal's width."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, Final

import typer

from adrec_cli.cli.options.common import COMMON
from adrec_cli.wording import say_count

_WIDEST: Final = 100
_NARROWEST: Final = 40
_COLUMN: Final = 30
"""Cells before the descriptions, at most; what is longer has its description below."""
_GAP: Final = 2
_FIRST: Final = "Options"
_UNBROKEN: Final = "\xa0"
"""Stands for a blank at which no line is broken."""


def render_page(context: typer.Context, *, usual: Collection[str] | None = None) -> str:
    """Return the help of a command.

    Args:
        context: of the command.
        usual: names of the options to show, of a command that has many; None shows all.
    """
    command: Any = context.command
    shown = [one for one in command.get_params(context) if not getattr(one, "hidden", False)]
    options = [one for one in shown if one.param_type_name == "option"]
    arguments = [one for one in shown if one.param_type_name == "argument"]
    listed = options if usual is None else [one for one in options if one.name in usual]
    inside = getattr(command, "commands", {})
    sections = [_paragraphs(command.help or ""), [_usage(context, arguments, has_commands=bool(inside))]]
    if arguments:
        sections.append(
            list_rows("Arguments", [(one.metavar or one.name.upper(), _describe(one)) for one in arguments])
        )
    sections += _list_options(listed)
    sections += _list_commands(context, inside)
    if len(listed) < len(options):
        sections.append([f"{say_count(len(options) - len(listed), 'more option')}: {context.command_path} --help-all"])
    if command.epilog:
        sections.append(command.epilog.splitlines())
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _list_options(options: Sequence[Any]) -> Iterator[list[str]]:
    """Yield a section for each panel of options: the command's own first, those of all commands last."""
    named = dict.fromkeys(one.rich_help_panel or _FIRST for one in options)
    panels = [_FIRST, *(panel for panel in named if panel not in (_FIRST, COMMON)), COMMON]
    for panel in panels:
        of_panel = [one for one in options if (one.rich_help_panel or _FIRST) == panel]
        if of_panel:
            yield list_rows(panel, [(_spell(one), _describe(one)) for one in of_panel])


def _list_commands(context: typer.Context, commands: Iterable[str]) -> Iterator[list[str]]:
    """Yield a section for each panel of commands, each with its first paragraph."""
    group: Any = context.command
    found = {name: group.get_command(context, name) for name in commands}
    for panel in dict.fromkeys(one.rich_help_panel or "Commands" for one in found.values()):
        rows = [
            (name, " ".join((one.help or "").split("\n\n")[0].split()))
            for name, one in found.items()
            if (one.rich_help_panel or "Commands") == panel
        ]
        yield list_rows(panel, rows)


def _usage(context: typer.Context, arguments: Sequence[Any], *, has_commands: bool) -> str:
    words = [one.metavar or one.name.upper() for one in arguments]
    words += ["COMMAND ..."] if has_commands else []
    return f"{_paint('Usage:', bold=True)} {' '.join([context.command_path, '[OPTIONS]', *words])}"


def _spell(option: Any) -> str:
    """Return an option as it is typed: short spellings first, then its value."""
    spelled = [*sorted(option.opts, key=len), *option.secondary_opts]
    value = "" if option.is_flag else f" {option.metavar or 'VALUE'}"
    return ", ".join(spelled) + value


def _describe(parameter: Any) -> str:
    """Return what a parameter is, with its variable and its default."""
    told = parameter.help or ""
    parts = [told]
    if parameter.envvar:
        parts.append(f"[env:{_UNBROKEN}{parameter.envvar}]")
    default = _name_default(parameter)
    if default and "[default:" not in told:
        parts.append(f"[default:{_UNBROKEN}{default}]")
    if parameter.required and parameter.param_type_name == "option":
        parts.append("[required]")
    return " ".join(parts)


def _name_default(parameter: Any) -> str:
    value = parameter.default
    if value is None or not parameter.show_default or value in ("", (), []):
        return ""
    if getattr(parameter, "is_flag", False):
        return str(parameter.opts[0]) if value and parameter.secondary_opts else ""
    return str(value.value if isinstance(value, Enum) else value)


def list_rows(title: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return a section of a page: its title, and what is listed under it with descriptions beside or below."""
    column = min(_COLUMN, _width() // 3, max(len(name) for name, _ in rows))
    lines = [_paint(f"{title}:", bold=True)]
    for name, text in rows:
        told = _wrap(text, indent=_GAP + column + _GAP)
        first = f"{' ' * _GAP}{_paint(name, fg='cyan')}"
        if len(name) > column or not told:
            lines += [first, *told]
        else:
            lines += [f"{first}{' ' * (column - len(name))}{' ' * _GAP}{told[0].lstrip()}", *told[1:]]
    return lines


def _paragraphs(text: str) -> list[str]:
    paragraphs = [_wrap(" ".join(part.split()), indent=0) for part in text.split("\n\n")]
    return [line for number, lines in enumerate(paragraphs) for line in ([""] if number else []) + lines]


def _wrap(text: str, *, indent: int) -> list[str]:
    margin, room = " " * indent, _width() - indent
    words = [word if len(word) <= room else word.replace(_UNBROKEN, " ") for word in text.split(" ")]
    lines = textwrap.wrap(
        " ".join(words),
        _width(),
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_UNBROKEN, " ") for line in lines]


def _width() -> int:
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns) - 1)


def _paint(text: str, **style: Any) -> str:
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else typer.style(text, **style)
