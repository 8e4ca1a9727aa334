"""Where a command's results and messages go: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adrec_cli.artifacts.harmless_text import harmless, harmless_json

if TYPE_CHECKING:
    from rich.console import Console

_NARROWEST_COLUMN = 12
"""Cells that the widest column of a table must have left before the table is worth drawing."""


def shorten(text: str) -> str:
    """Return a message with its middle left out if it is longer than anybody reads: what was typed may be anything."""
    if len(text) <= _LONGEST_MESSAGE:
        return text
    half = _LONGEST_MESSAGE // 2
    return f"{text[:half]} [...] {text[-half:]}"


def short(value: object) -> str:
    """Return a chosen value with no more digits than tell it from others."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_LONGEST_MESSAGE = 900


class Terminal:
    """The two streams of a command.

    Attributes:
        as_json: the result is one JSON document.
        quiet: no progress and no notes.
        log_json: messages are one JSON object a line.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, log_json: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.log_json = log_json
        self._has_table = False

    @cached_property
    def out(self) -> Console:
        """Results, on a terminal."""
        from rich.console import Console

        return Console(highlight=False, emoji=False)

    @cached_property
    def err(self) -> Console:
        """Progress and messages, on a terminal."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, emoji=False)

    @property
    def draws(self) -> bool:
        """Whether stdout is a terminal, for people."""
        return sys.stdout.isatty()

    @property
    def shows_bars(self) -> bool:
        """Whether stderr is a terminal on which a line can be redrawn."""
        return not self.quiet and not self.log_json and sys.stderr.isatty() and self.err.is_interactive

    @property
    def message_width(self) -> int | None:
        """Cells a message may take without being broken; None where stderr is not a terminal."""
        return self.err.width if sys.stderr.isatty() else None

    def note(self, text: str) -> None:
        """Print a line on stderr, unless asked to be quiet."""
        if not self.quiet:
            self._message("info", text)

    def warn(self, text: str) -> None:
        """Say on stderr what deserves a look."""
        self._message("warning", text, "bold magenta")

    def error(self, text: str, hint: str = "") -> None:
        """Say on stderr what went wrong, in one line, and what to do."""
        text, hint = shorten(text), shorten(hint)
        if self.log_json:
            self._log({"level": "error", "message": text, "hint": hint})
            return
        self._message("error", text, "bold red")
        if hint:
            self._message("hint", hint, "bold")

    def say_stopped(self, text: str, hint: str) -> None:
        """Say on stderr that a run ended because it was asked to, which is not an error, and how to go on."""
        text, hint = shorten(text), shorten(hint)
        if self.log_json:
            self._log({"level": "info", "message": text, "hint": hint})
            return
        self._message("info", text)
        self._message("hint", hint, "bold")

    def event(self, name: str, content: Mapping[str, Any]) -> None:
        """Log what happened for machines; people read `note`."""
        if self.log_json and not self.quiet:
            self._log({"level": "info", "event": name, **content})

    def _message(self, level: str, text: str, style: str = "") -> None:
        if self.log_json:
            self._log({"level": level, "message": text})
            return
        label = "" if level == "info" else f"{level}: "
        if not sys.stderr.isatty():
            print(f"{label}{harmless(text)}", file=sys.stderr)
            return
        from rich.text import Text

        # A hint may be a command to copy: it is left to the terminal to break. Everything else is broken at words.
        self.err.print(Text.assemble((label, style), harmless(text), overflow="fold"), soft_wrap=level == "hint")

    def _log(self, content: Mapping[str, Any]) -> None:
        # Escaped to ASCII, so that no terminal acts on it and no encoding matters.
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **content}
        print(json.dumps(line, default=_json_value), file=sys.stderr)

    def document(self, content: Mapping[str, Any]) -> None:
        """Print the one JSON document of the command."""
        # An encoding without all characters would turn them into escapes that JSON does not know.
        ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
        text = json.dumps(content, indent=2, ensure_ascii=ascii_only, allow_nan=False, default=_json_value)
        print(harmless_json(text))

    def line(self, text: str = "") -> None:
        """Print one line of the result; a terminal breaks it at words."""
        if not self.draws:
            print(harmless(text))
            return
        from rich.text import Text

        self.out.print(Text(harmless(text), overflow="fold"))

    def command(self, text: str) -> None:
        """Print a command line of the result, whole, so that it can be copied."""
        print(harmless(text))

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        title: str = "",
        right: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> None:
        """Print a table: drawn on a terminal, else lines with tabs, the first one with the names of the columns.

        A blank line stands between two tables.

        Args:
            columns: names.
            rows: one text a column.
            title: above the table, on a terminal only.
            right: names of the columns with numbers.
            optional: names of the columns that a terminal too narrow for all leaves out, in this order.
        """
        lines = [[harmless(cell) for cell in row] for row in rows]
        if self.draws:
            columns, lines = self._fitting(columns, lines, list(optional))
            self._draw(columns, lines, title=title, right=right)
            return
        if self._has_table:
            print()
        self._has_table = True
        for line in ([harmless(name) for name in columns], *lines):
            print("\t".join(line))

    def _fitting(
        self, columns: Sequence[str], rows: list[list[str]], optional: list[str]
    ) -> tuple[Sequence[str], list[list[str]]]:
        """Leave out optional columns, one after the other, until the others fit."""
        from rich.cells import cell_len

        while optional and _measure_width(max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)) > (
            self.out.width
        ):
            at = list(columns).index(optional.pop(0))
            columns = [name for position, name in enumerate(columns) if position != at]
            rows = [[cell for position, cell in enumerate(row) if position != at] for row in rows]
        return columns, rows

    def _draw(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str, right: Sequence[str]) -> None:
        from rich import box
        from rich.cells import cell_len
        from rich.table import Table
        from rich.text import Text

        widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
        widest = widths.index(max(widths))
        # The widest one takes what the others leave.
        room = self.out.width - _measure_width(widths) + widths[widest]
        if title:
            self.out.print(Text(harmless(title), style="bold"), soft_wrap=True)
        if room < min(widths[widest], _NARROWEST_COLUMN):
            self._draw_records(columns, rows)
            return
        table = Table(box=box.SIMPLE_HEAD)
        for position, name in enumerate(columns):
            justify: Literal["left", "right"] = "right" if name in right else "left"
            table.add_column(Text(name), justify=justify, overflow="fold", no_wrap=position != widest)
        for row in rows:
            table.add_row(*map(Text, row))
        self.out.print(table)

    def _draw_records(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print each row as lines of name and value: a terminal too narrow for the table."""
        from rich.table import Table
        from rich.text import Text

        for row in rows:
            record = Table.grid(padding=(0, 2))
            record.add_column(no_wrap=True, style="dim")
            record.add_column(overflow="fold")
            for name, cell in zip(columns, row, strict=True):
                if cell:
                    record.add_row(Text(name), Text(cell))
            self.out.print(record)
            self.out.print()


def _measure_width(widths: Iterable[int]) -> int:
    """Return the cells a table takes: every column has two spaces around it and one before, the last one more."""
    return sum(3 + width for width in widths) + 1


def _json_value(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")
