"""What a user can choose when preprocessing, declared once: for Python, and for the command line, which flags it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adrec_cli.choices import choice, require_allowed
from adrec_cli.data.addresses import show_address
from adrec_cli.wording import command, flag

if TYPE_CHECKING:
    from adrec_cli.data.names import BadRowPolicy, Duplicates, Engine, Overlap, Split, Ties, TimeUnit
    from adrec_cli.data.reading.column_names import Column
    from adrec_cli.data.reading.read_limits import ReadLimits

READING: Final = "Reading a file"
CUT: Final = "What is kept and how it is split"


@dataclass(frozen=True, kw_only=True)
class PreprocessOptions:
    """Options of preprocessing, each with its help; None means the data set's default, else adrec's.

    Attributes:
        timestamp_unit, timestamp_format, separator, encoding, items_column: found if None.
        join: its columns come behind those of the events.
        where: an empty condition takes back those of the data set that is added to.
        valid_from, test_from: ISO dates, in `timezone` where they say none, or as long before the newest event as -14d,
            -2w or -12h says; an update moves these with its newest event.
        engine: says how a data set is made, not what it is; the bytes are the same.
        max_rows, max_bytes: None takes what no honest file of its size exceeds.
        update: folder of the preprocessed data set.
        keep_data: as many as before if None, at first 3.
    """

    user_column: Column | None = choice(
        None,
        str,
        "Column of the users, by name or by position from 1.",
        metavar="COLUMN",
        panel=READING,
        usual=True,
    )
    item_column: Column | None = choice(
        None, str, "Column of the items, by name or by position from 1.", metavar="COLUMN", panel=READING, usual=True
    )
    timestamp_column: Column | None = choice(
        None,
        str,
        "Column of the times, by name or by position from 1; several as date,time or year,month,day.",
        metavar="COLUMN",
        panel=READING,
        usual=True,
    )
    rating_column: Column | None = choice(
        None, str, "Column of the ratings, by name or by position from 1.", metavar="COLUMN", panel=READING
    )
    timestamp_unit: TimeUnit | None = choice(
        None,
        str,
        "Unit of the times: s, ms, us or ns; order if they are positions only.",
        metavar="UNIT",
        panel=READING,
        known=("s", "ms", "us", "ns", "order"),
    )
    timestamp_format: str | None = choice(
        None,
        str,
        "Format of times: strptime's, such as '%d.%m.%Y %H:%M', or iso, dmy, mdy, month-name, yyyymmdd, epoch-s.",
        metavar="FORMAT",
        panel=READING,
        known=("iso", "dmy", "mdy", "month-name", "yyyymmdd", "epoch-s", "epoch-ms"),
    )
    timezone: str | None = choice(
        None,
        str,
        "Time zone of times that name none, such as Europe/Berlin. [default: UTC]",
        metavar="ZONE",
        panel=READING,
    )
    header: bool | None = choice(None, bool, "Whether the first row names the columns.", panel=READING, can_be_off=True)
    separator: str | None = choice(
        None, str, "Separator between the columns of a text file.", metavar="TEXT", panel=READING
    )
    encoding: str | None = choice(None, str, "Encoding of a text file, such as latin-1.", metavar="NAME", panel=READING)
    join: Path | None = choice(
        None,
        Path,
        "File with one row per order, basket or session, which holds its user and time.",
        metavar="FILE",
        panel=READING,
    )
    on: str | None = choice(
        None, str, "Column that both files share; order_id=id if the names differ.", metavar="COLUMN", panel=READING
    )
    sql: str | None = choice(
        None,
        str,
        f"Query whose result is read: a SELECT sent to {flag('database')}; SOURCE is then the name of the data set.",
        metavar="QUERY",
        panel=READING,
    )
    database: str | None = choice(
        None,
        str,
        f"Database that {flag('sql')} queries: postgresql://HOST/NAME, or a file of DuckDB. [default: $ADREC_DATABASE, "
        "else DuckDB over files here]",
        metavar="URI|FILE",
        panel=READING,
    )
    where: Sequence[str] | None = choice(
        None,
        list[str],
        "Condition that selects the events to keep, such as 'event in view,buy'.",
        metavar="CONDITION",
        panel=READING,
    )
    items: Path | None = choice(
        None,
        Path,
        "File with the items' titles, categories and other metadata.",
        metavar="FILE",
        panel=READING,
    )
    items_column: Column | None = choice(
        None, str, f"Column of the ids in {flag('items')}.", metavar="COLUMN", panel=READING
    )
    on_bad_row: BadRowPolicy | None = choice(
        None,
        str,
        "Whether an unreadable row is an error or skipped. [default: error]",
        metavar="error|skip",
        panel=READING,
        known=("error", "skip"),
    )
    keep_blanks: bool | None = choice(None, bool, "Keep blanks around ids. [default: removed]", panel=READING)
    max_rows: int | None = choice(
        None, int, "Maximum number of rows of a file. [default: what its size allows]", metavar="N", panel=READING
    )
    max_bytes: int | None = choice(
        None,
        int,
        "Maximum unpacked size of a compressed file, in bytes. [default: 500 times its size, at least 1 GiB]",
        metavar="N",
        panel=READING,
    )
    engine: Engine = choice(
        "polars",
        str,
        "Engine that reads the files: Polars in this process, or the workers of Spark.",
        metavar="polars|spark",
        panel=READING,
        known=("polars", "spark"),
    )
    spark_master: str | None = choice(
        None,
        str,
        "Master of Spark, such as local[4]. [default: that of spark-submit, else all cores here]",
        metavar="URL",
        panel=READING,
    )
    download_sha256: str | None = choice(
        None,
        str,
        "SHA-256 of a download whose data set names none; any skips the check.",
        metavar="HASH|any",
        panel=READING,
        known=("any",),
    )
    yes: bool = choice(False, bool, "Agree to a download of more than 100 MB.", panel=READING)
    offline: bool = choice(False, bool, "Download nothing.", panel=READING, environment="ADREC_OFFLINE")
    name: str | None = choice(
        None,
        str,
        "Name of the data set in the workspace. [default: the source's]",
        metavar="NAME",
        panel=CUT,
    )
    variant: str | None = choice(None, str, "Another published cut of a named data set.", metavar="NAME", panel=CUT)
    min_rating: float | None = choice(
        None, float, "Minimum rating; interactions rated lower are left out.", metavar="X", panel=CUT
    )
    min_interactions: int | None = choice(
        None,
        int,
        "Minimum number of interactions per user and item (iterative k-core); 0 for none.",
        metavar="K",
        panel=CUT,
        usual=True,
    )
    min_user_interactions: int | None = choice(
        None, int, "Minimum number of interactions per user (k-core).", metavar="K", panel=CUT
    )
    min_item_interactions: int | None = choice(
        None, int, "Minimum number of interactions per item (k-core).", metavar="K", panel=CUT
    )
    duplicates: Duplicates | None = choice(
        None,
        str,
        "Whether to drop or keep repeated events: equal user, item and time.",
        metavar="drop|keep",
        panel=CUT,
        known=("drop", "keep"),
    )
    ties: Ties | None = choice(
        None,
        str,
        "Order of events with equal times: the source's, or by item.",
        metavar="source|item",
        panel=CUT,
        known=("source", "item"),
    )
    split: Split | None = choice(
        None,
        str,
        "Rule by which validation and test are held out; cold-items holds out a tenth of the items.",
        metavar="leave-one-out|time|given|cold-items",
        panel=CUT,
        usual=True,
        known=("leave-one-out", "time", "given", "cold-items"),
    )
    valid_from: str | None = choice(
        None,
        str,
        "Start of validation (split time), or -14d for 14 days before the newest event.",
        metavar="DATE",
        panel=CUT,
    )
    test_from: str | None = choice(
        None,
        str,
        "Start of test (split time), or -7d for 7 days before the newest event.",
        metavar="DATE",
        panel=CUT,
    )
    strict: bool = choice(
        False, bool, "Refuse an implausible update, or one that loses much, instead of warning about it.", panel=CUT
    )
    max_loss: float = choice(
        0.4,
        float,
        "Share of the interactions or users that may be gone where a source is read again; 1 for all.",
        metavar="SHARE",
        panel=CUT,
        least=0,
        most=1,
    )
    update: Path | None = choice(
        None,
        str,
        "Add the source to this data set; its items keep their numbers.",
        metavar="DATASET",
        panel=CUT,
        usual=True,
    )
    overlap: Overlap | None = choice(
        None,
        str,
        "Whether events of an update that are there already count once or again, if duplicates are kept. "
        "[default: an error if they are many]",
        metavar="once|again",
        panel=CUT,
        known=("once", "again"),
    )
    retake: bool = choice(False, bool, f"Take files again that {command('rollback', data=True)} withdrew.", panel=CUT)
    keep_data: int | None = choice(
        None,
        int,
        f"Number of former generations to keep for {command('rollback', data=True)}, one per file of an inbox. "
        "[default: 3, later as before]",
        metavar="N",
        panel=CUT,
    )
    max_length: int | None = choice(
        None, int, "Maximum number of newest interactions kept per user; 0 for all.", metavar="N"
    )

    @property
    def limits(self) -> ReadLimits:
        """What is read of a file at most."""
        from adrec_cli.data.reading.read_limits import ReadLimits

        return ReadLimits(rows=self.max_rows, bytes=self.max_bytes)

    def __post_init__(self) -> None:
        # Not at the top: the help of the command line does without.
        from adrec_cli.data.option_checks import check_options

        require_allowed(self)
        check_options(vars(self))

    def changes_the_cut(self) -> bool:
        """Return whether an option changes which interactions are kept, so that published counts do not apply."""
        cut = (
            "where",
            "min_rating",
            "min_interactions",
            "min_user_interactions",
            "min_item_interactions",
            "max_length",
            "duplicates",
        )
        return any(getattr(self, key) is not None for key in cut) or self.update is not None


def spell_command(source: str, options: PreprocessOptions) -> str:
    """Return the command that was typed, without its columns, so that a hint can complete it."""
    typed = {
        entry.name: getattr(options, entry.name)
        for entry in dataclasses.fields(PreprocessOptions)
        if not entry.name.endswith("_column") and getattr(options, entry.name) != entry.default
    }
    if options.database is not None:
        typed["database"] = show_address(options.database)
    return command("preprocess", source, **typed)
