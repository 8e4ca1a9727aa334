"""The people a batch of recommendations is for, and where it goes: what a user can choose."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.outputs import STDOUT
from adrec_cli.choices import choice, choose, require_allowed
from adrec_cli.data.shards import WHOLE, Shard
from adrec_cli.errors import UsageError
from adrec_cli.wording import flag, option

if TYPE_CHECKING:
    from adrec_cli.artifacts.recommendation_file import Reader
    from adrec_cli.recommending.destination import Destination

MANY: Final = "For many users"
"""The panel of the help that lists what a batch can be given."""


@dataclass(frozen=True, kw_only=True)
class AudienceOptions:
    """Where the people of a batch come from: exactly one of the first three.

    Attributes:
        all_users: everybody in the data set, and everybody in the events.
        users: a file of user ids.
        histories: a file of histories, which take the place of those in the data set.
        events: a file of newest events, put behind the histories.
    """

    all_users: bool = choice(False, bool, "Recommend to all users of the data set.", key="all", panel=MANY, usual=True)
    users: Path | None = choice(
        None, Path, "File of user ids: one per line, or a column user_id.", metavar="FILE", panel=MANY, usual=True
    )
    histories: Path | None = choice(
        None,
        Path,
        "File of histories: user_id and history (JSON lines, Parquet), or one event per row (CSV).",
        metavar="FILE",
        panel=MANY,
    )
    events: Path | None = choice(
        None,
        Path,
        "File of the newest events (user_id, item_id, timestamp), appended to the histories.",
        metavar="FILE",
        panel=MANY,
    )

    def __post_init__(self) -> None:
        if self.all_users + (self.users is not None) + (self.histories is not None) != 1:
            raise UsageError(
                f"a batch is for one of {option('all')}, {option('users', 'FILE')} and {option('histories', 'FILE')}",
                hint="give one of them",
            )

    @property
    def is_data_set(self) -> bool:
        """Whether it is the users of the data set, in its order and with the histories they have there."""
        return self.all_users and self.events is None

    def files(self) -> list[Path]:
        """Return the files that are read."""
        return [path for path in (self.users, self.histories, self.events) if path is not None]

    def key(self) -> dict[str, str | bool]:
        """Return what decides the audience, with the content of the files."""
        files = {"users": self.users, "histories": self.histories, "events": self.events}
        hashes = {name: file_sha256(path) for name, path in files.items() if path is not None and path.is_file()}
        return {"all_users": self.all_users, **hashes}


@dataclass(frozen=True, kw_only=True)
class BatchEngine:
    """What ranks the people of a batch.

    Attributes:
        engine: this process, or the workers of Spark; the bytes are the same.
        spark_master: where Spark runs.
    """

    engine: str | None = choice(
        None,
        str,
        "Engine that ranks a batch: this process, or the workers of Spark. [default: polars]",
        metavar="polars|spark",
        panel=MANY,
        known=("polars", "spark"),
        closed=True,
    )
    spark_master: str | None = choice(
        None,
        str,
        "Master of Spark, such as local[4]. [default: that of spark-submit, else all cores here]",
        metavar="URL",
        panel=MANY,
    )

    def __post_init__(self) -> None:
        require_allowed(self)
        if self.spark_master is not None and not self.is_spark:
            raise UsageError(
                f"{option('spark_master')} says where Spark runs",
                hint=f"say {option('engine', 'spark')}, or leave it out",
            )

    @property
    def is_spark(self) -> bool:
        """Whether the workers of Spark do it."""
        return self.engine == "spark"


HERE: Final = BatchEngine()
"""Ranks in this process."""


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

    path: Path = choose(
        Path,
        "Output file: .parquet, .jsonl or .csv; a name without a suffix is a folder of Parquet files; - for stdout.",
        key="out",
        metavar="FILE",
        panel=MANY,
        place="any",
        usual=True,
    )
    shard: Shard = choice(
        WHOLE,
        str,
        "Share of the users, 0/N to N-1/N; all shares write into one folder.",
        read=Shard.parse,
        metavar="I/N",
        panel=MANY,
    )
    format: str | None = choice(
        None,
        str,
        f"Format of {flag('out')} if its name does not show it.",
        metavar="NAME",
        panel=MANY,
        known=("parquet", "jsonl", "csv"),
    )
    safe_csv: bool = choice(
        False, bool, "Put a quote before ids in CSV that a spreadsheet would take for formulas.", panel=MANY
    )

    @property
    def is_stdout(self) -> bool:
        """Whether it is not a file."""
        return self.path == STDOUT

    def find_destination(self) -> Destination:
        """Return where that is.

        Raises:
            UsageError: the format is not known, or whoever reads there cannot read it.
        """
        # Not at the top: the help of the command line reads options without Polars.
        from adrec_cli.recommending.destination import Destination

        destination = Destination.of(self.path, self.format, self.shard)
        if self.safe_csv and destination.format != "csv":
            raise UsageError(
                f"only CSV is made safe for spreadsheets, not {destination.format}", hint="leave it out, or write .csv"
            )
        if self.is_stdout and sys.stdout.isatty() and destination.format == "parquet":
            raise UsageError("Parquet cannot be shown on a terminal", hint="give the name of a file, or another format")
        return destination

    @property
    def reader(self) -> Reader:
        """Who reads its text."""
        from adrec_cli.artifacts.recommendation_file import Reader

        return Reader(spreadsheet=self.safe_csv, terminal=self.is_stdout and sys.stdout.isatty())
