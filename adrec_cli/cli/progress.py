"""Progress on stderr: a bar that is redrawn on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from adrec_cli.cli.terminal import Terminal, harmless
from adrec_cli.data.download import DownloadProgress
from adrec_cli.data.filters import FilterApplied
from adrec_cli.data.raw_files import UnknownDownload

_NARROW_BAR = 10


class Bar:
    """One line: what is done, a bar, how far it is.

    Attributes:
        label, detail: left and right of the bar; the detail is the first thing to go where there is no room.
        done, total: no bar without a total.
    """

    def __init__(self) -> None:
        self.label, self.detail = "", ""
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
        bar = ProgressBar(total=self.total or None, completed=self.done) if self.total else Text()
        line.add_row(Text(self.label), bar, Text(detail))
        yield line


class Progress:
    """Shows events of the pipeline while it is open; call it with each event."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.bar = Bar()
        self._live = Live(self.bar, console=terminal.err, transient=True) if terminal.shows_bars else None
        self._downloading = ""

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
            self._download(event)
        elif isinstance(event, UnknownDownload):
            self.terminal.warn(
                f"{event.name} was taken as it came, nobody has recorded its SHA-256; "
                f"to have the same again: --download-sha256 {event.sha256}"
            )
        elif isinstance(event, FilterApplied) and event.interactions:
            self.clear()

    def show(self, label: str, done: int, total: int, detail: str = "") -> None:
        """Redraw the bar."""
        self.bar.label, self.bar.done, self.bar.total, self.bar.detail = label, done, total, detail

    def clear(self) -> None:
        """Take the bar away until it is shown again."""
        self.bar.label = ""

    def _download(self, event: DownloadProgress) -> None:
        megabytes = f"{event.done / 1e6:.1f} MB" + (f" of {event.total / 1e6:.1f} MB" if event.total else "")
        self.show(harmless(f"downloading {event.name}"), event.done, event.total or 0, megabytes)
        if event.name != self._downloading:
            self._downloading = event.name
            size = f" ({event.total / 1e6:.1f} MB)" if event.total else ""
            self.terminal.note(f"downloading {event.name}{size}")
        if event.done == event.total:
            self.clear()
