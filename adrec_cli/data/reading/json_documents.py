"""JSON that is not JSON lines: an array of objects, or objects over several lines, turned into one object per line."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from adrec_cli.data.reading.decoding import Decoded
from adrec_cli.errors import InputError

_HEAD: Final = 1 << 20
_CHUNK: Final = 1 << 22
MOST_CHARACTERS: Final = 1 << 26
"""An object may be so long; the next is not looked for behind a longer one."""

_DECODER: Final = json.JSONDecoder()
_ARRAY: Final = re.compile(r"\s*\[\s*(?=\{)")
_COMMA: Final = re.compile(r"\s*,?\s*")
_BRACKET: Final = re.compile(r"\s*\[\s*")
_BLANK: Final = re.compile(r"\s*")


def as_object_lines(decoded: Decoded, scratch: Path) -> Decoded:
    """Return the file itself, or a copy with one object per line if it is an array of objects or objects over lines.

    An object stays in the line it begins in, as far as those before it leave room: the numbers of lines stay right.

    Args:
        decoded: a text file.
        scratch: folder for the copy.

    Raises:
        InputError: it is one object, or ends or goes wrong within one.
    """
    with open(decoded.plain, encoding="utf-8", errors="replace", newline="\n") as file:
        head = file.read(_HEAD)
    in_array = _is_array(head)
    if not in_array and not _is_spread(head, decoded.path):
        return decoded
    target = scratch / f"{len(list(scratch.iterdir()))}-objects-{decoded.path.name}.jsonl"
    with (
        open(decoded.plain, encoding="utf-8", errors="replace", newline="\n") as source,
        open(target, "w", encoding="utf-8", errors="replace", newline="") as file,
    ):
        written = 0
        for line, text in _Objects(path=decoded.path, file=source, in_array=in_array):
            file.write("\n" * (line - 1 - written) + text + "\n")
            written = max(line, written + 1)
    return replace(decoded, plain=target)


def _is_array(head: str) -> bool:
    """Return whether a file begins as an array of objects, not as a table whose first cell is one."""
    opening = _ARRAY.match(head)
    if opening is None:
        return False
    try:
        _, end = _DECODER.raw_decode(head, opening.end())
    except (ValueError, RecursionError):
        # The first object is longer than the head, or damaged: no cell of a table is either.
        return True
    return re.match(r"\s*(,\s*\{|\]\s*$|,?\s*$)", head[end:]) is not None


def _is_spread(head: str, path: Path) -> bool:
    """Return whether a file begins with an object over several lines.

    Raises:
        InputError: the file is this one object.
    """
    start = len(head) - len(head.lstrip())
    if not head.startswith("{", start) or re.match(r"\{[^\n]*\}[ \r]*(\n|$)", head[start:]):
        return False
    try:
        found, end = _DECODER.raw_decode(head, start)
    except (ValueError, RecursionError):
        if len(head) == _HEAD and re.match(r"\{\s*\n", head[start:]):
            raise _single_document(path, "") from None
        return False
    if "\n" not in head[start:end]:
        return False
    if not head[end:].strip():
        raise _single_document(path, _find_array(found) or "")
    return True


def _find_array(value: Any, path: str = "") -> str | None:
    """Return where the first array of objects lies in an object, as jq writes it; None if there is none."""
    for name, inner in value.items():
        step = f"{path}.{name}" if re.fullmatch(r"[A-Za-z_]\w*", name) else f"{path or '.'}[{json.dumps(name)}]"
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            return step
        if isinstance(inner, dict) and (found := _find_array(inner, step)):
            return found
    return None


def _single_document(path: Path, array: str) -> InputError:
    hint = "write its events as an array, or one object per line"
    if array:
        hint = f"write one event per line: jq -c {shlex.quote(array + '[]')} {shlex.quote(str(path))} > events.jsonl"
    return InputError(f"{path} is one JSON object, expected an object for each event, or an array of them", hint=hint)


@dataclass(kw_only=True)
class _Objects:
    """The objects of a file with the line each begins in, from 1, each as text without line ends.

    Attributes:
        path: for messages.
        file: at its start.
        in_array: whether the objects are entries of one array.
    """

    path: Path
    file: IO[str]
    in_array: bool
    text: str = ""
    place: int = 0
    line: int = 1

    def __iter__(self) -> Iterator[tuple[int, str]]:
        self._read()
        if self.in_array:
            self._pass(_BRACKET)
        while not self._is_at_end():
            end = self._find_end()
            yield self.line, self.text[self.place : end].replace("\n", " ").replace("\r", " ")
            self._move(end)
            self._pass(_COMMA if self.in_array else _BLANK)

    def _is_at_end(self) -> bool:
        """Return whether nothing follows; a file that ends within its array was cut off."""
        self._pass(_BLANK)
        if not self.in_array:
            return self.place == len(self.text)
        if self.place == len(self.text):
            raise InputError(f"{self.path} ends within its JSON array", hint="fetch or make the file again")
        if not self.text.startswith("]", self.place):
            return False
        self._move(self.place + 1)
        self._pass(_BLANK)
        if self.place < len(self.text):
            raise InputError(
                f"{self.path}, line {self.line}: expected the end after a JSON array", hint="put each array into a file"
            )
        return True

    def _find_end(self) -> int:
        while True:
            try:
                return _DECODER.raw_decode(self.text, self.place)[1]
            except (ValueError, RecursionError) as error:
                reached = error.pos - self.place if isinstance(error, json.JSONDecodeError) else 0
                if len(self.text) - self.place > MOST_CHARACTERS or not self._read():
                    raise self._damage_error(error, self.place + reached) from error

    def _damage_error(self, error: Exception, at: int) -> InputError:
        line = self.line + self.text.count("\n", self.place, at)
        got = self.text[at : at + 40].split("\n")[0]
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        return InputError(
            f"{self.path}, line {line}: expected a JSON object, got {got!r} ({reason})",
            hint="fix the file, or fetch it again",
        )

    def _pass(self, pattern: re.Pattern[str]) -> None:
        """Move behind what a pattern matches, reading on where it may go on."""
        more = True
        while True:
            found = pattern.match(self.text, self.place)
            end = self.place if found is None else found.end()
            if end < len(self.text) or not more:
                return self._move(end)
            more = self._read()

    def _move(self, place: int) -> None:
        self.line += self.text.count("\n", self.place, place)
        self.place = place

    def _read(self) -> bool:
        """Read on, and let go of what is done with; return whether there was more."""
        more = self.file.read(max(_CHUNK, len(self.text) - self.place))
        self.text, self.place = self.text[self.place :] + more, 0
        return bool(more)
