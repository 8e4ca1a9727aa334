"""Tables of pages read back: what stands in each cell, and how it is marked."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from adrec_cli.pages.markup import Html


@dataclass
class Cell:
    """A cell: its text, and the classes of what is in it."""

    text: str = ""
    classes: list[str] = field(default_factory=list)


@dataclass
class Table:
    """A table: columns, and a row of cells by the name of its column for each of its lines."""

    caption: str = ""
    columns: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)
    rows: list[dict[str, Cell]] = field(default_factory=list)

    def texts(self, column: str) -> list[str]:
        """Return what a column says, from the top."""
        return [row[column].text for row in self.rows]

    def marked(self, column: str, kind: str) -> list[bool]:
        """Return which cells of a column hold something of a class."""
        return [kind in row[column].classes for row in self.rows]


class _Tables(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[Table] = []
        self._place = ""
        self._cell = Cell()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = dict(attributes)
        if tag == "table":
            self.found.append(Table())
        elif tag == "tr":
            self.found[-1].rows.append({})
        elif tag in ("th", "td", "caption"):
            self._place, self._cell = tag, Cell()
            if tag == "td":
                self.found[-1].rows[-1][str(told["data-name"])] = self._cell
        if self._place and told.get("class"):
            self._cell.classes.append(str(told["class"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "th":
            self.found[-1].columns.append(self._cell.text)
            self.found[-1].right += [self._cell.text] * ("number" in self._cell.classes)
        elif tag == "caption":
            self.found[-1].caption = self._cell.text
        elif tag == "thead":
            self.found[-1].rows.clear()
        if tag == self._place:
            self._place = ""

    def handle_data(self, data: str) -> None:
        if self._place:
            self._cell.text += data


def read_tables(content: Html) -> list[Table]:
    """Return the tables of a piece of a page, in order; every row has every column."""
    found = _Tables(content.text).found
    for table in found:
        assert all(list(row) == table.columns for row in table.rows)
        for row in table.rows:
            assert {name for name, cell in row.items() if "number" in cell.classes} == set(table.right)
    return found


def read_words(content: Html) -> str:
    """Return all text of a piece of a page, with a blank between elements."""
    pieces: list[str] = []
    parser = HTMLParser()
    parser.handle_data = pieces.append  # type: ignore[method-assign]
    parser.feed(content.text)
    return " ".join(" ".join(pieces).split())
