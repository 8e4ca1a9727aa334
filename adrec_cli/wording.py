"""Options and commands in messages: named by key where the message is made, spelled for whoever began it all.

Who raises an error writes `option("timestamp_unit", "order")`, since a caller may be the command line or Python. Once a
command was typed that is `--timestamp-unit order`, and in any other program `timestamp_unit='order'`. What an artifact
keeps must not depend on who made it, and names options by `option_as_typed`. A test holds every key and
every command named so against the command line itself, and lets no message be made before it is known who reads it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

_PLACEHOLDER: Final = re.compile(r"[A-Z]+|-?\d+(\.\d+)?|True|False|None")
_IRREGULAR: Final[Mapping[str, str]] = MappingProxyType({"k": "-k", "parent": "--from"})
"""Flags that are not called as their keys."""
_OPPOSITES: Final[Mapping[str, str]] = MappingProxyType({"resume": "--fresh", "include_seen": "--exclude-seen"})
"""Flags that turn off what their keys turn on, where that is not `--no-` and the key."""


_repeated: dict[str, object] = {}
_typed = False
_workspace: str | None = None


@contextlib.contextmanager
def speak_shell(typed: bool = True, *, workspace: object = None) -> Iterator[None]:
    """Spell options as the command line does while open, in all threads: a command was typed.

    Args:
        typed: whether one was.
        workspace: that every command to type next has to name; None where it is found without.
    """
    global _typed, _workspace
    before = _typed, _workspace
    _typed, _workspace = typed, None if workspace is None else str(workspace)
    try:
        yield
    finally:
        _typed, _workspace = before


def say_count(number: float, what: str, several: str = "") -> str:
    """Return how many there are, in words that fit: "1 new item", "2,000 new items".

    Args:
        number: of them.
        what: one of them is.
        several: what others than one are; "" for the same with -s.
    """
    return f"{number:,} {what if number == 1 else several or f'{what}s'}"


def say_statistics(statistics: Mapping[str, Any]) -> str:
    """Return how large a data set is, as its manifest counts it: "3 users, 1 item, 7 interactions"."""
    return ", ".join(say_count(statistics[f"{what}s"], what) for what in ("user", "item", "interaction"))


def inflect(number: float, one: str, several: str) -> str:
    """Return what goes with a count, such as its verb: "1 item is", "2 items are"."""
    return one if number == 1 else several


def speaks_shell() -> bool:
    """Whether options are spelled as on the command line; a process it starts does not know by itself."""
    return _typed


def repeat_in_commands(key: str, value: object) -> None:
    """Have every command line hold an option from now on, as only with it another process finds what this one does.

    Args:
        key, value: as `command` takes them.
    """
    _repeated[key] = value


def option(key: str, value: object = None) -> str:
    """Return how an option is given, for a message or a hint: to a command, or to a function of Python.

    Args:
        key: of the option: its name in Python.
        value: to give it; True and False turn it on and off, and capitals, such as FILE, stand for a value.
    """
    return option_as_typed(key, value) if _typed else f"{key}={_in_python(value)}"


def option_as_typed(key: str, value: object = None) -> str:
    """Return how an option is typed, whoever reads it: for a sentence that an artifact keeps."""
    return flag(key) if value is None else shlex.join(shell_words(key, value))


def command(name: str, /, *arguments: object, **options: object) -> str:
    """Return a command line of adrec that can be typed as it is, where the one was typed that says it.

    Args:
        name: of the command; two words for one of a group.
        arguments: what stands before the options.
        options: by key; None leaves one out, True and False turn it on and off, a list repeats it.
    """
    return complete_command(command_anywhere(name, *arguments, **options))


def command_anywhere(name: str, /, *arguments: object, **options: object) -> str:
    """Return a command line that names no workspace: for what an artifact keeps, which is read wherever it lies.

    Args:
        name, arguments, options: as `command` takes them.
    """
    words = [word for key, value in {**_repeated, **options}.items() for word in shell_words(key, value)]
    return shlex.join(["adrec", *name.split(), *map(str, arguments), *words])


def complete_command(line: str) -> str:
    """Return a command line, such as one that an artifact keeps, with the workspace that it has to name here."""
    known = _workspace is None or flag("workspace") in shlex.split(line)
    return line if known else f"{line} {shlex.join(shell_words('workspace', _workspace))}"


def shell_words(key: str, value: object) -> list[str]:
    """Return an option and its value as words of a command line; none for None."""
    if value is None:
        return []
    if isinstance(value, bool):
        return [flag(key) if value else _OPPOSITES.get(key, f"--no-{key.replace('_', '-')}")]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [word for one in value for word in shell_words(key, one)]
    return [flag(key), str(value)]


def flag(key: str) -> str:
    """Return how the command line spells an option."""
    return _IRREGULAR.get(key, f"--{key.replace('_', '-')}")


def _in_python(value: object) -> str:
    if value is None:
        return ""
    return str(value) if _PLACEHOLDER.fullmatch(str(value)) else repr(str(value))
