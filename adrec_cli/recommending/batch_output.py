"""What somebody asks for when a batch of recommendations is written: where to, in which form, and which share of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.recommendation_file import Reader
from adrec_cli.data.shards import WHOLE, Shard
from adrec_cli.errors import UsageError
from adrec_cli.recommending.destination import STDOUT, Destination


@dataclass(frozen=True, kw_only=True)
class BatchOutput:
    """Where a batch is to go.

    Attributes:
        path: `-` is stdout, which is written as it comes and cannot be resumed. A folder gets a file for each row group
            of the data set, or for each block of users.
        format: parquet, jsonl or csv; None takes what the name ends in, and jsonl for stdout.
        safe_csv: put a quote before texts that a spreadsheet would take for formulas.
        shard: of the data set's users, whose sequences alone are read; all shards together write what one process does.
    """

    path: Path
    format: str | None = None
    safe_csv: bool = False
    shard: Shard = WHOLE

    @property
    def is_stdout(self) -> bool:
        """Whether it is no file."""
        return self.path == STDOUT

    def find_destination(self) -> Destination:
        """Return where that is.

        Raises:
            UsageError: the format is not known, or whoever reads there cannot read it.
        """
        destination = Destination.of(self.path, self.format, self.shard)
        if self.safe_csv and destination.format != "csv":
            raise UsageError(
                f"only CSV is made safe for spreadsheets, not {destination.format}", hint="leave it out, or write .csv"
            )
        if self.is_stdout and sys.stdout.isatty() and destination.format == "parquet":
            raise UsageError(
                "Parquet is nothing to show on a terminal", hint="give the name of a file, or another format"
            )
        return destination

    @property
    def reader(self) -> Reader:
        """Who reads its text."""
        return Reader(spreadsheet=self.safe_csv, terminal=self.is_stdout and sys.stdout.isatty())
