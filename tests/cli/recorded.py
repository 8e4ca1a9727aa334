"""A terminal that keeps what commands show, whole, as tables and lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adrec_cli.cli.show.terminal import Terminal


@dataclass
class Drawn:
    """A table that was shown: its title, and the cells of each row by column."""

    title: str
    rows: list[dict[str, str]]
    right: list[str]
    optional: list[str]

    def column(self, name: str) -> list[str]:
        """Return a column from the top."""
        return [row[name] for row in self.rows]


@dataclass
class Shown:
    """Everything that was shown, each kind in its order; `said` is what went to stderr, with its level."""

    tables: list[Drawn] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    documents: list[Mapping[str, Any]] = field(default_factory=list)


class Recorded(Terminal):
    """Keeps tables, lines and messages in `shown` instead of printing them."""

    def __init__(self, *, as_json: bool = False) -> None:
        super().__init__(as_json=as_json)
        self.shown = Shown()

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        title: str = "",
        right: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> None:
        assert len(set(columns)) == len(columns)
        assert {*right, *optional} <= set(columns)
        by_column = [dict(zip(columns, row, strict=True)) for row in rows]
        self.shown.tables.append(Drawn(title, by_column, list(right), list(optional)))

    def line(self, text: str = "") -> None:
        self.shown.lines.append(text)

    def command(self, text: str) -> None:
        self.shown.lines.append(text)

    def document(self, content: Mapping[str, Any]) -> None:
        self.shown.documents.append(content)

    def _message(self, level: str, text: str, style: str = "") -> None:
        self.shown.said.append(text if level == "info" else f"{level}: {text}")


def shown_by(show: Callable[..., None], *arguments: Any, **options: Any) -> Shown:
    """Return what a function shows of a result to people; to machines it gives one document, the whole of it."""
    terminal, machine = Recorded(), Recorded(as_json=True)
    show(terminal, *arguments, **options)
    show(machine, *arguments, **options)
    assert (machine.shown.tables, machine.shown.lines) == ([], [])
    assert len(machine.shown.documents) == 1
    assert set(machine.shown.said) <= set(terminal.shown.said)
    return terminal.shown
