"""Options of recommending: for which users, which items, and to which file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from adrec_cli.cli import completion
from adrec_cli.cli.options.common import option
from adrec_cli.errors import UsageError

if TYPE_CHECKING:
    from adrec_cli.recommending.audience import AudienceOptions
    from adrec_cli.recommending.diversity import Diversity
    from adrec_cli.recommending.item_choice import ItemChoice

_ITEMS, _MANY = "Which items", "For many users"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which items may come back."""

    candidates: Annotated[
        Path | None,
        option(
            "--candidates", panel=_ITEMS, metavar="FILE", help="File of the only items to recommend.", dir_okay=False
        ),
    ] = None
    exclude_items: Annotated[
        Path | None,
        option("--exclude-items", panel=_ITEMS, metavar="FILE", help="File of items not to recommend.", dir_okay=False),
    ] = None
    category: Annotated[
        list[str] | None,
        option("--category", panel=_ITEMS, metavar="NAME", help="Category to recommend from; repeatable."),
    ] = None
    min_count: Annotated[
        int, option("--min-count", panel=_ITEMS, metavar="N", help="Minimum number of train events of an item.")
    ] = 0

    new_items: Annotated[
        Path | None,
        option("--new-items", panel=_ITEMS, metavar="FILE",
               help="File of items that came after the training, for models with content.", dir_okay=False),
    ] = None  # fmt: skip

    diversify: Annotated[
        float,
        option("--diversify", panel=_ITEMS, metavar="X",
               help="Weight of unlikeness to items above in the list, from 0 to below 1."),
    ] = 0.0  # fmt: skip
    max_per: Annotated[
        list[str] | None,
        option("--max-per", panel=_ITEMS, metavar="COLUMN=N",
               help="Maximum number of items of one value in a list, such as category=3; repeatable."),
    ] = None  # fmt: skip

    def diversity(self) -> Diversity:
        """Return what lists are to have besides high scores, as the pipeline takes it."""
        from adrec_cli.recommending.diversity import Diversity

        return Diversity.parse(self.diversify, self.max_per or ())

    def items(self) -> ItemChoice:
        """Return the choice as the pipeline takes it."""
        from adrec_cli.recommending.item_choice import ItemChoice

        return ItemChoice(
            candidates=self.candidates,
            excluded=self.exclude_items,
            categories=tuple(self.category or ()),
            min_count=self.min_count,
        )


@dataclass(frozen=True, kw_only=True)
class Many:
    """A batch: for which users, and to which file."""

    all: Annotated[bool, option("--all", panel=_MANY, help="Recommend to all users of the data set.")] = False
    users: Annotated[
        Path | None,
        option(
            "--users",
            panel=_MANY,
            metavar="FILE",
            help="File of user ids: one per line, or a column user_id.",
            dir_okay=False,
        ),
    ] = None
    histories: Annotated[
        Path | None,
        option("--histories", panel=_MANY, metavar="FILE",
               help="File of histories: user_id and history (JSON lines, Parquet), or one event per row "
                    "(CSV).", dir_okay=False),
    ] = None  # fmt: skip
    events: Annotated[
        Path | None,
        option("--events", panel=_MANY, metavar="FILE",
               help="File of the newest events (user_id, item_id, timestamp), appended to the "
                    "histories.", dir_okay=False),
    ] = None  # fmt: skip
    out: Annotated[
        Path | None,
        option("--out", "-o", panel=_MANY, metavar="FILE",
               help="Output file: .parquet, .jsonl or .csv; a name without ending is a folder of Parquet files; - "
                    "for stdout."),
    ] = None  # fmt: skip
    shard: Annotated[
        str | None,
        option("--shard", panel=_MANY, metavar="I/N",
               help="Share of the users, 0/N to N-1/N; all shares write into one folder."),
    ] = None  # fmt: skip
    format: Annotated[
        str | None,
        option("--format", panel=_MANY, metavar="NAME", help="Format of --out if its name does not show it.",
               complete=completion.among(["parquet", "jsonl", "csv"])),
    ] = None  # fmt: skip

    safe_csv: Annotated[
        bool,
        option("--safe-csv", panel=_MANY,
               help="Put a quote before ids in CSV that a spreadsheet would take for formulas."),
    ] = False  # fmt: skip

    def audience(self) -> AudienceOptions | None:
        """Return the audience of the batch; None where no batch is asked for.

        Raises:
            UsageError: the options do not go together.
        """
        from adrec_cli.recommending.audience import AudienceOptions

        if not (self.all or self.users or self.histories):
            if self.out or self.events or self.format or self.safe_csv or self.shard:
                raise UsageError(
                    "--out, --events, --shard, --format and --safe-csv belong to a batch",
                    hint="add --all, --users FILE or --histories FILE",
                )
            return None
        if self.out is None:
            raise UsageError("a batch needs a file to write", hint="--out recs.parquet, or --out - for stdout")
        return AudienceOptions(all_users=self.all, users=self.users, histories=self.histories, events=self.events)
