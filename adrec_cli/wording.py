"""Options and commands in messages: named by key where the message is made, spelled where it is shown.

Who raises an error writes `option("timestamp_unit", "order")`, since a caller may be the command line or Python. The
text then holds a mark, which a terminal or a report shows as `--timestamp-unit order`, and Python as
`timestamp_unit='order'`. A test holds every key and every command named so against the command line itself.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

_MARK: Final = re.compile("‹option:([a-z][a-z0-9_]*)(?:=((?:[^›]|››)*))?›")
_PLACEHOLDER: Final = re.compile(r"[A-Z]+|-?\d+(\.\d+)?|True|False|None")
_IRREGULAR: Final[Mapping[str, str]] = MappingProxyType({"k": "-k", "parent": "--from"})
"""Flags that are not called as their keys."""
_OPPOSITES: Final[Mapping[str, str]] = MappingProxyType({"resume": "--fresh", "include_seen": "--exclude-seen"})
"""Flags that turn off what their keys turn on, where that is not `--no-` and the key."""


_repeated: dict[str, object] = {}


def repeat_in_commands(key: str, value: object) -> None:
    """Have every command line hold an option from now on, as only with it another process finds what this one does.

    Args:
        key, value: as `command` takes them.
    """
    _repeated[key] = value


def option(key: str, value: object = None) -> str:
    """Return the mark that stands for an option in a message or a hint.

    Args:
        key: of the option: its name in Python.
        value: to give it; True and False turn it on and off, and capitals, such as FILE, stand for a value.
    """
    return f"‹option:{key}›" if value is None else f"‹option:{key}={str(value).replace('›', '››')}›"


def command(name: str, /, *arguments: object, **options: object) -> str:
    """Return a command line of adrec that can be typed as it is.

    Args:
        name: of the command; two words for one of a group.
        arguments: what stands before the options.
        options: by key; None leaves one out, True and False turn it on and off, a list repeats it.
    """
    words = [word for key, value in {**_repeated, **options}.items() for word in shell_words(key, value)]
    return shlex.join(["adrec", *name.split(), *map(str, arguments), *words])


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


def in_shell(text: str) -> str:
    """Return a message with its options spelled as on the command line."""
    return _MARK.sub(_shell_option, text) if "‹" in text else text


def in_python(text: str) -> str:
    """Return a message with its options spelled as keyword arguments."""
    return _MARK.sub(_python_option, text) if "‹" in text else text


def _shell_option(found: re.Match[str]) -> str:
    key, value = found[1], _value(found)
    if value is None:
        return flag(key)
    return shlex.join(shell_words(key, {"True": True, "False": False}.get(value, value)))


def _python_option(found: re.Match[str]) -> str:
    value = _value(found)
    shown = "" if value is None else value if _PLACEHOLDER.fullmatch(value) else repr(value)
    return f"{found[1]}={shown}"


def _value(found: re.Match[str]) -> str | None:
    return None if found[2] is None else found[2].replace("››", "›")
