"""HTML that cannot be broken by what stands in it: text is escaped unless it was built here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

_STYLE_FILE = "pages.css"
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_VOID = frozenset({"meta", "img", "br", "rect", "line", "input", "link"})
# What no HTML parser lets through unharmed, and marks that turn the direction of the text around them.
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]"
)


@dataclass(frozen=True)
class Html:
    """Markup that is safe to put into a page; only this module makes any.

    Attributes:
        text: of the markup.
    """

    text: str


Content = Html | str | int


def element(name: str, /, *content: Content | None, **attributes: str | int | None) -> Html:
    """Return an element.

    Args:
        name: of the tag.
        content: markup as it is, and text, which is escaped; None is nothing.
        attributes: their values are escaped; None leaves one out; `class_` is class, `view_box` is viewBox, and other
            underscores are hyphens.
    """
    assert _NAME.fullmatch(name), name
    written = "".join(
        f' {_attribute(key)}="{_escape(str(value))}"' for key, value in attributes.items() if value is not None
    )
    if name in _VOID:
        assert not content, name
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(content).text}</{name}>")


def join(content: Iterable[Content | None], between: str = "") -> Html:
    """Return pieces one after the other; text among them is escaped."""
    pieces = (piece.text if isinstance(piece, Html) else _escape(str(piece)) for piece in content if piece is not None)
    return Html(between.join(pieces))


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Content]], *, right: Sequence[str] = (), caption: str = ""
) -> Html:
    """Return a table; each cell knows its column's name, which a narrow screen shows beside it.

    Args:
        columns: names.
        rows: one cell a column.
        right: names of the columns with numbers.
        caption: above it.
    """
    kinds = ["number" if name in right else None for name in columns]
    head = element(
        "tr", *(element("th", name, scope="col", class_=kind) for name, kind in zip(columns, kinds, strict=True))
    )
    body = [
        element(
            "tr",
            *(
                # A span, so that a narrow screen sees one piece beside the column's name.
                element("td", element("span", cell), class_=kind, data_name=name)
                for name, kind, cell in zip(columns, kinds, row, strict=True)
            ),
        )
        for row in rows
    ]
    told = element("caption", caption) if caption else None
    whole = element("table", told, element("thead", head), element("tbody", *body))
    # What scrolls has to be reached by keys, too.
    return element(
        "div", whole, class_="wide", role="region", aria_label=caption or f"table of {', '.join(columns)}", tabindex=0
    )


def read_style() -> str:
    """Return how pages look, as CSS: light and dark, wide and narrow."""
    return (resources.files(__package__) / _STYLE_FILE).read_text(encoding="utf-8")


def facts(entries: Iterable[tuple[str, Content]]) -> Html:
    """Return names with their values."""
    return element(
        "dl", *(element("div", element("dt", name), element("dd", value)) for name, value in entries), class_="facts"
    )


def commands(lines: Iterable[str]) -> Html:
    """Return lines to be typed; none is broken within a word."""
    shown = [
        element("span", join([element("span", word, class_="word") for word in line.split(" ")], " "), class_="line")
        for line in lines
    ]
    return element("pre", element("code", join(shown, "\n")))


def paragraph(*content: Content) -> Html:
    """Return a paragraph."""
    return element("p", *content)


def sha(sha256: str) -> Html:
    """Return the beginning of a hash, the whole of it at hand."""
    return element("code", sha256[:12], title=sha256) if sha256 else Html("")


def section(anchor: str, title: str, *content: Content | None) -> Html:
    """Return a section with its headline."""
    return element("section", element("h2", title), *content, id=anchor)


def _attribute(key: str) -> str:
    name = {"class_": "class", "view_box": "viewBox"}.get(key, key.replace("_", "-"))
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z-]*", name), key
    assert not name.startswith("on"), f"{name} would run a script"
    return name


def _escape(text: str) -> str:
    shown = _UNSHOWABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return html.escape(shown, quote=True)
