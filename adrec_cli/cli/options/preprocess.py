"""Options of reading and cutting a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from adrec_cli.cli import completion
from adrec_cli.cli.options.common import option

if TYPE_CHECKING:
    from adrec_cli.pipeline.preprocess import PreprocessOptions

_COLUMNS, _CUT = "Reading a file", "What is kept and how it is split"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """How a file is read; what is not given is found out."""

    user_column: Annotated[
        str | None,
        option("--user-column", panel=_COLUMNS, metavar="COLUMN", help="Column by name, or by position from 1."),
    ] = None
    item_column: Annotated[
        str | None,
        option("--item-column", panel=_COLUMNS, metavar="COLUMN", help="Column by name, or by position from 1."),
    ] = None
    timestamp_column: Annotated[
        str | None,
        option("--timestamp-column", panel=_COLUMNS, metavar="COLUMN",
               help="Column by name, or by position from 1; several as date,time or year,month,day."),
    ] = None  # fmt: skip
    rating_column: Annotated[
        str | None,
        option("--rating-column", panel=_COLUMNS, metavar="COLUMN", help="Column by name, or by position from 1."),
    ] = None
    timestamp_unit: Annotated[
        str | None,
        option("--timestamp-unit", panel=_COLUMNS, metavar="UNIT",
               help="Unit of times: s, ms, us, ns, or order for mere positions.",
                complete=completion.among(["s", "ms", "us", "ns", "order"])),
    ] = None  # fmt: skip
    timestamp_format: Annotated[
        str | None,
        option("--timestamp-format", panel=_COLUMNS, metavar="FORMAT",
                help="Form of times: strptime's, as '%d.%m.%Y %H:%M', or iso, dmy, mdy, month-name, yyyymmdd, epoch-s.",
                complete=completion.among(["iso", "dmy", "mdy", "month-name", "yyyymmdd", "epoch-s", "epoch-ms"])),
    ] = None  # fmt: skip
    timezone: Annotated[
        str | None,
        option("--timezone", panel=_COLUMNS, metavar="ZONE",
                help="Zone of times and moments that say none, such as Europe/Berlin; UTC by default."),
    ] = None  # fmt: skip
    header: Annotated[
        bool | None, option("--header/--no-header", panel=_COLUMNS, help="Whether the first row names the columns.")
    ] = None
    separator: Annotated[
        str | None,
        option("--separator", panel=_COLUMNS, metavar="TEXT", help="Separator between the columns of a text file."),
    ] = None
    encoding: Annotated[
        str | None,
        option("--encoding", panel=_COLUMNS, metavar="NAME", help="Encoding of a text file, such as latin-1."),
    ] = None
    join: Annotated[
        Path | None,
        option("--join", panel=_COLUMNS, metavar="FILE", dir_okay=False,
                help="File with a row for each order, basket or session, which says whose and when it is."),
    ] = None  # fmt: skip
    on: Annotated[
        str | None,
        option("--on", panel=_COLUMNS, metavar="COLUMN", help="Column both files have; order_id=id if names differ."),
    ] = None
    where: Annotated[
        list[str] | None,
        option("--where", panel=_COLUMNS, metavar="CONDITION", help="Only events that meet it: 'event in view,buy'."),
    ] = None
    items: Annotated[
        Path | None,
        option(
            "--items",
            panel=_COLUMNS,
            metavar="FILE",
            help="File with titles and categories of the items.",
            dir_okay=False,
        ),
    ] = None
    items_column: Annotated[
        str | None,
        option("--items-column", panel=_COLUMNS, metavar="COLUMN", help="Column of the ids in --items."),
    ] = None
    on_bad_row: Annotated[
        str | None,
        option("--on-bad-row", panel=_COLUMNS, metavar="error|skip", help="Unreadable rows; error by default.",
                complete=completion.among(["error", "skip"])),
    ] = None  # fmt: skip
    keep_blanks: Annotated[
        bool | None, option("--keep-blanks", panel=_COLUMNS, help="Keep blanks around ids, which are taken off else.")
    ] = None
    max_rows: Annotated[
        int | None,
        option("--max-rows", panel=_COLUMNS, metavar="N",
                help="Maximum number of rows of a file [default: what its size allows]."),
    ] = None  # fmt: skip
    max_bytes: Annotated[
        int | None,
        option("--max-bytes", panel=_COLUMNS, metavar="N",
                help="Maximum size a compressed file unpacks to [default: 500 times its size, at least 1 GiB]."),
    ] = None  # fmt: skip
    download_sha256: Annotated[
        str | None,
        option("--download-sha256", panel=_COLUMNS, metavar="HASH|any", complete=completion.among(["any"]),
                help="SHA-256 of a download whose data set names none; any accepts whatever comes."),
    ] = None  # fmt: skip
    yes: Annotated[bool, option("--yes", panel=_COLUMNS, help="Download a data set of more than 100 MB.")] = False
    offline: Annotated[bool, option("--offline", panel=_COLUMNS, envvar="ADREC_OFFLINE", help="Download nothing.")] = (
        False
    )


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What is kept of a source, how it is split, and what it is called."""

    name: Annotated[
        str | None, option("--name", panel=_CUT, help="Name of the data set in the workspace [default: the source's].")
    ] = None
    variant: Annotated[
        str | None, option("--variant", panel=_CUT, metavar="NAME", help="Another published cut of a named data set.")
    ] = None
    min_rating: Annotated[
        float | None, option("--min-rating", panel=_CUT, metavar="X", help="Leave out interactions rated lower.")
    ] = None
    min_interactions: Annotated[
        int | None,
        option("--min-interactions", panel=_CUT, metavar="K", help="Iterative k-core of users and items; 0 for none."),
    ] = None
    min_user_interactions: Annotated[
        int | None, option("--min-user-interactions", panel=_CUT, metavar="K", help="The k-core's K for users.")
    ] = None
    min_item_interactions: Annotated[
        int | None, option("--min-item-interactions", panel=_CUT, metavar="K", help="The k-core's K for items.")
    ] = None
    duplicates: Annotated[
        str | None,
        option("--duplicates", panel=_CUT, metavar="drop|keep", help="Events with equal user, item and time.",
                complete=completion.among(["drop", "keep"])),
    ] = None  # fmt: skip
    ties: Annotated[
        str | None,
        option("--ties", panel=_CUT, metavar="source|item", help="Order among equal times: the source's, or by item.",
                complete=completion.among(["source", "item"])),
    ] = None  # fmt: skip
    split: Annotated[
        str | None,
        option("--split", panel=_CUT, metavar="leave-one-out|time|given|cold-items",
               help="Rule by which validation and test are held out; cold-items holds out a tenth of the items.",
                complete=completion.among(["leave-one-out", "time", "given", "cold-items"])),
    ] = None  # fmt: skip
    valid_from: Annotated[
        str | None,
        option("--valid-from", panel=_CUT, metavar="DATE",
               help="Moment at which validation begins (split time), or -14d for 14 days before the newest event."),
    ] = None  # fmt: skip
    test_from: Annotated[
        str | None,
        option(
            "--test-from",
            panel=_CUT,
            metavar="DATE",
            help="Moment at which test begins (split time), or -7d for 7 days before the newest event.",
        ),
    ] = None
    strict: Annotated[
        bool, option("--strict", panel=_CUT, help="Refuse an update that is not plausible, rather than warn of it.")
    ] = False
    update: Annotated[
        str | None,
        option("--update", panel=_CUT, metavar="DATASET", complete=completion.workspace_dataset,
                help="Add the source to this data set; its items keep their numbers."),
    ] = None  # fmt: skip
    retake: Annotated[
        bool, option("--retake", panel=_CUT, help="Take files again that adrec rollback --data has withdrawn.")
    ] = False
    keep_data: Annotated[
        int | None,
        option("--keep-data", panel=_CUT, metavar="N",
                help="Former generations of the data set kept, for adrec rollback --data; at first 3, then as before."),
    ] = None  # fmt: skip


def preprocess_options(columns: Columns, cut: Cut, workspace: Path, *, max_length: int | None) -> PreprocessOptions:
    """Return the options of preprocessing that flags ask for."""
    from adrec_cli.pipeline.preprocess import PreprocessOptions

    given = {**vars(columns), **vars(cut), "max_length": max_length}
    if cut.update is not None:
        given["update"] = Path(cut.update) if "/" in cut.update else workspace / cut.update
    return PreprocessOptions(**given)
