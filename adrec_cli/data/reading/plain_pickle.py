"""Pickles that hold nothing but dicts, lists, integers and short texts, read without Python's unpickler.

Some authors publish their cuts as pickles, and a pickle is a program: unpickling runs it. Here its opcodes are only
listed (`pickletools.genops`), and the few that build plain containers are carried out by the table below. Whatever
names a global, calls something or builds an object is refused by the name of its opcode.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from adrec_cli.data.reading.decoding import unreadable
from adrec_cli.errors import InputError

MOST_BYTES: Final = 1 << 28
MOST_VALUES: Final = 16_000_000
"""Containers and scalars one file may hold: some 600 MB of them."""
MOST_CONTAINERS: Final = 2_000_000
MOST_OPEN: Final = 64
"""Marks that may be open at once, each the beginning of a container inside another."""
_NEWEST_PROTOCOL: Final = 5


class _Machine:
    """The stack and the memo of an unpickler that knows plain containers alone."""

    def __init__(self) -> None:
        self.levels: list[list[Any]] = [[]]
        self.memo: dict[int, Any] = {}
        self.values = self.containers = 0

    def push(self, value: object) -> None:
        self.values += 1
        if self.values > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} values")
        self.levels[-1].append(value)

    def push_container(self, container: list[Any] | dict[Any, Any]) -> None:
        self.containers += 1
        if self.containers > MOST_CONTAINERS:
            raise ValueError(f"more than {MOST_CONTAINERS:,} lists and dicts")
        self.push(container)

    def mark(self) -> None:
        if len(self.levels) > MOST_OPEN:
            raise ValueError(f"nested deeper than {MOST_OPEN}")
        self.levels.append([])

    def unmark(self) -> list[Any]:
        if len(self.levels) < 2:
            raise ValueError("no mark to go back to")
        return self.levels.pop()

    def pop(self) -> Any:
        if not self.levels[-1]:
            raise ValueError("nothing on the stack")
        return self.levels[-1].pop()

    def top(self, kind: type) -> Any:
        if not self.levels[-1] or not isinstance(self.levels[-1][-1], kind):
            raise ValueError(f"no {kind.__name__} on the stack")
        return self.levels[-1][-1]

    def remember(self, key: int) -> None:
        if not self.levels[-1]:
            raise ValueError("nothing on the stack")
        self.memo[key] = self.levels[-1][-1]

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise ValueError(f"memo {key} was never set")
        self.push(self.memo[key])


def _append(machine: _Machine, _: Any) -> None:
    value = machine.pop()
    machine.top(list).append(value)


def _append_all(machine: _Machine, _: Any) -> None:
    values = machine.unmark()
    machine.top(list).extend(values)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    _fill(machine.top(dict), [key, value])


def _set_items(machine: _Machine, _: Any) -> None:
    values = machine.unmark()
    _fill(machine.top(dict), values)


def _fill(target: dict[str, Any], values: list[Any]) -> None:
    if len(values) % 2:
        raise ValueError("a key without a value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        if not isinstance(key, str):
            raise ValueError("a key that is not text")
        target[key] = value


def _check_protocol(machine: _Machine, protocol: int) -> None:
    if protocol > _NEWEST_PROTOCOL:
        raise ValueError(f"protocol {protocol}")


_OPCODES: Mapping[str, Callable[[_Machine, Any], None]] = MappingProxyType(
    {
        "PROTO": _check_protocol,
        "FRAME": lambda machine, size: None,
        "MARK": lambda machine, _: machine.mark(),
        "EMPTY_LIST": lambda machine, _: machine.push_container([]),
        "EMPTY_DICT": lambda machine, _: machine.push_container({}),
        "APPEND": _append,
        "APPENDS": _append_all,
        "SETITEM": _set_item,
        "SETITEMS": _set_items,
        "BININT": lambda machine, value: machine.push(value),
        "BININT1": lambda machine, value: machine.push(value),
        "BININT2": lambda machine, value: machine.push(value),
        "SHORT_BINUNICODE": lambda machine, text: machine.push(text),
        "BINUNICODE": lambda machine, text: machine.push(text),
        "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
        "BINPUT": lambda machine, key: machine.remember(key),
        "LONG_BINPUT": lambda machine, key: machine.remember(key),
        "BINGET": lambda machine, key: machine.recall(key),
        "LONG_BINGET": lambda machine, key: machine.recall(key),
    }
)


def read_plain_pickle(path: Path) -> Any:
    """Return what a pickle of plain containers holds: dicts with text keys, lists, integers and texts.

    Args:
        path: of at most `MOST_BYTES`.

    Raises:
        InputError: it is damaged, too large, or holds anything else, naming the opcode and where it stands.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(content) > MOST_BYTES:
        raise _pickle_error(path, f"it has more than {MOST_BYTES:,} bytes")
    machine, position = _Machine(), 0
    try:
        for opcode, argument, at in pickletools.genops(content):
            position = at or 0
            if opcode.name == "STOP":
                return _take_result(machine, content, position)
            if opcode.name not in _OPCODES:
                raise ValueError(f"opcode {opcode.name}, which builds more than lists of numbers")
            _OPCODES[opcode.name](machine, argument)
    except (ValueError, OverflowError, MemoryError, RecursionError) as error:
        raise _pickle_error(path, f"byte {position:,}: {error}") from error
    raise _pickle_error(path, "it does not end")


def _take_result(machine: _Machine, content: bytes, position: int) -> Any:
    if position + 1 != len(content):
        raise ValueError("more behind its end")
    if len(machine.levels) != 1 or len(machine.levels[0]) != 1:
        raise ValueError("it ends with something left over")
    return machine.pop()


def _pickle_error(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is a pickle, of which adrec reads dicts and lists of numbers alone: {reason}",
        hint="convert it where it was made, to CSV, JSON lines or Parquet",
    )
