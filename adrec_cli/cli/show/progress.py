"""Progress on stderr: a bar that is redrawn on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from adrec_cli.artifacts.harmless_text import harmless
from adrec_cli.artifacts.lock import LockAwaited
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.data.databases.asking import AnswerProgress
from adrec_cli.data.download import DownloadProgress
from adrec_cli.data.fetching import AddressFailed, DamagedCopy, DownloadBegins, UnknownDownload
from adrec_cli.data.filter_applied import FilterApplied
from adrec_cli.data.inbox import FileLeft, FileRefused, FileTaken
from adrec_cli.moving.moved import MovingProgress
from adrec_cli.wording import say_count

_NARROW_BAR = 10
_LOWEST_FOR_LINES = 12
"""Rows a terminal must have before lines below a bar leave room for what was said before."""


class Bar:
    """What is done, a bar, how far it is; and perhaps lines below.

    Attributes:
        label, detail: left and right of the bar; the detail is the first thing to go where there is no room.
        done, total: no bar without a total.
        below: label and text of further lines, where the terminal is high enough.
        drawn_cells: width of each line as it was last drawn.
    """

    def __init__(self) -> None:
        self.label, self.detail = "", ""
        self.below: Sequence[tuple[str, str]] = ()
        self.drawn_cells: list[int] = []
        self.done, self.total = 0, 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.label:
            return
        # Room at the end for the ^C a terminal echoes; one column more and it would break the line.
        width = options.max_width - 3
        line = Table.grid(padding=(0, 1), expand=True)
        line.width = width
        line.add_column(no_wrap=True)
        line.add_column(ratio=1, min_width=_NARROW_BAR)
        line.add_column(no_wrap=True, overflow="ellipsis")
        room = width - len(self.label) - _NARROW_BAR - 2
        detail = self.detail if len(self.detail) <= room else self.detail[: max(room, 0)].rpartition("  ")[0]
        # Rich's own colour of what is done is a red, which reads as an error.
        bar = (
            ProgressBar(self.total, self.done, complete_style="cyan", finished_style="green") if self.total else Text()
        )
        line.add_row(Text(self.label), bar, Text(detail))
        yield line
        drawn = [width]
        below = self.below if console.height >= _LOWEST_FOR_LINES else ()
        indent = max((len(label) for label, _ in below), default=0) + 2
        for label, text in below:
            row = Text.assemble((f"  {label:<{indent}}", "dim"), text, no_wrap=True, overflow="ellipsis")
            row.truncate(width, overflow="ellipsis")
            yield row
            drawn.append(row.cell_len)
        self.drawn_cells = drawn


class Region(Live):
    """The part of the screen that a bar is redrawn in, also when the window becomes narrower.

    Most terminals then break the lines that are there, which take more rows than Rich knows of and would stay.
    """

    def __init__(self, bar: Bar, console: Console) -> None:
        super().__init__(bar, console=console, transient=True)
        self._bar = bar
        # These two cut lines off instead.
        self._breaks_lines = "XTERM_VERSION" not in os.environ and os.environ.get("TERM") != "linux"

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Erase the rows that were added by breaking lines, before what is there is drawn over."""
        width = max(self.console.width, 1)
        added = sum(max(cells - 1, 0) // width for cells in self._bar.drawn_cells)
        self._bar.drawn_cells = []
        found = super().process_renderables(renderables)
        if not added or not self._breaks_lines:
            return found
        erase_row = (ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
        return [Control(*(erase_row * added)), *found]


class Progress:
    """Shows events of the pipeline while it is open; call it with each event."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.bar = Bar()
        self._live = Region(self.bar, terminal.err) if terminal.shows_bars else None
        self._transferring = ""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self.bar.label = ""
            self._live.stop()

    def __call__(self, event: object) -> None:
        """Show one event; unknown ones are ignored."""
        if isinstance(event, DownloadProgress):
            self._transfer(f"downloading {event.name}", event.done, event.total)
        elif isinstance(event, MovingProgress):
            self._transfer(event.label, event.done, event.total)
        elif isinstance(event, AnswerProgress):
            self._ask(event)
        elif isinstance(event, LockAwaited):
            self.terminal.note(f"waiting for {event.holder}, which works in {event.folder} ...")
        elif isinstance(event, FileTaken):
            self.terminal.note(f"{event.path} is taken")
        elif isinstance(event, FileLeft):
            self.terminal.warn(f"{event.path} is left: {event.reason}")
        elif isinstance(event, FileRefused):
            self.terminal.warn(f"{event.path} is refused, none of it was taken: {event.reason}")
        elif isinstance(event, UnknownDownload):
            self.terminal.warn(
                f"{event.name} was not checked, as no SHA-256 of it is recorded; "
                f"to require the same file from now on: --download-sha256 {event.sha256}"
            )
        elif isinstance(event, DownloadBegins):
            size = "" if event.bytes is None else f"{event.bytes / 1e6:,.1f} MB "
            self.terminal.note(f"{event.dataset}: {size}from {event.host}; licence: {event.licence}")
        elif isinstance(event, AddressFailed):
            self.terminal.warn(f"{event.reason}; the next address is tried")
        elif isinstance(event, DamagedCopy):
            self.terminal.warn(f"{event.path} is damaged and is fetched again: {event.fault}")
        elif isinstance(event, FilterApplied) and event.interactions:
            self.clear()

    def show(self, label: str, done: int, total: int, detail: str = "", below: Sequence[tuple[str, str]] = ()) -> None:
        """Redraw the bar, and the lines below it."""
        self.bar.label, self.bar.done, self.bar.total, self.bar.detail = label, done, total, detail
        self.bar.below = below

    def clear(self) -> None:
        """Take the bar away until it is shown again."""
        self.bar.label = ""

    def _ask(self, event: AnswerProgress) -> None:
        label = f"asking {event.database}"
        self.show(harmless(label), 0, 0, f"{say_count(event.rows, 'row')}")
        if label != self._transferring:
            self._transferring = label
            self.terminal.note(label)
        if event.whole:
            self.clear()

    def _transfer(self, label: str, done: int, total: int | None) -> None:
        megabytes = f"{done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f} MB" if total else "")
        self.show(harmless(label), done, total or 0, megabytes)
        if label != self._transferring:
            self._transferring = label
            size = f" ({total / 1e6:.1f} MB)" if total else ""
            self.terminal.note(f"{label}{size}")
        if done == total:
            self.clear()
