"""A data set that would take the place of another: after an export that broke off, or of another file of its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adrec_cli.artifacts.changing import manifest_before
from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.data.settings import drop_findings
from adrec_cli.errors import InputError
from adrec_cli.schema import ITEM_ID, ITEMS_FILE
from adrec_cli.wording import inflect, option, say_count

if TYPE_CHECKING:
    import polars as pl

    from adrec_cli.data.reading.read_report import ReadReport

MUCH: Final = 0.3
"""Part that is gone; a window of the last weeks does not lose so much in a night."""
HARDLY_ANY: Final = 0.05
FEWEST: Final = 20
"""Interactions, users or items before; of less nothing is said."""


def hold_against_former(
    folder: Path,
    made: Mapping[str, Any],
    item_ids: pl.Series,
    report: ReadReport,
    *,
    parameters: Mapping[str, Any],
    strict: bool,
    max_loss: float,
    refuse: bool,
) -> None:
    """Add to the report what is hard to believe about a data set beside the one whose place it takes.

    Args:
        folder: of the data set; it may hold none.
        made: statistics of what comes.
        item_ids: of all that was read, as text.
        report: of its reading; gets a sentence for each doubt.
        parameters: what was asked for.
        strict: whether a doubt is an error.
        max_loss: share of the interactions or users above which a loss is too much.
        refuse: whether that is an error, too.

    Raises:
        InputError: too much is gone and `refuse` is set, or there is a doubt and `strict` is set.
    """
    former = manifest_before(folder)
    if former is None:
        return
    lost = _find_losses(former, parameters, made, min(MUCH, max_loss))
    doubts = [*_find_strangers(folder, former, item_ids), *_tell_losses(former, lost)]
    if refuse and (too_much := [loss for loss in lost if loss.exceeds(max_loss)]):
        raise InputError(
            _tell_losses(former, too_much)[0],
            hint=f"get the whole one; if nothing is missing, take it with {option('max_loss', 1)}",
        )
    if strict and doubts:
        raise InputError(f"{'; '.join(doubts)}", hint=f"look at the file; if it is right, leave {option('strict')} out")
    report.doubts += doubts


@dataclass(frozen=True, kw_only=True)
class _Loss:
    """How many of what are left of how many."""

    what: str
    now: int
    before: int

    def exceeds(self, share: float) -> bool:
        """Return whether more than a part is gone, whatever the last digit of a number with a fraction says."""
        return self.now < (1 - share) * self.before - 1e-6


def _find_losses(former: Manifest, parameters: Mapping[str, Any], made: Mapping[str, Any], much: float) -> list[_Loss]:
    """Return what a data set that was cut by the same options has lost of, `much` of it or more."""
    if drop_findings(former.parameters) != parameters:
        return []
    counts = [(what, made[f"{what}s"], former.statistics[f"{what}s"]) for what in ("interaction", "user")]
    return [
        _Loss(what=what, now=now, before=before)
        for what, now, before in counts
        if before >= FEWEST and now < before and now <= (1 - much) * before
    ]


def _tell_losses(former: Manifest, lost: Sequence[_Loss]) -> list[str]:
    gone = [f"{say_count(loss.now, loss.what)} ({loss.before:,} before)" for loss in lost]
    return [f"{former.dataset} comes to {' and '.join(gone)}: is the export whole?"] if gone else []


def _find_strangers(folder: Path, former: Manifest, item_ids: pl.Series) -> list[str]:
    """Return what is said of a data set with hardly an item of the former one."""
    import polars as pl

    try:
        before = pl.read_parquet(literal(folder / ITEMS_FILE), columns=[ITEM_ID])[ITEM_ID]
    except (OSError, pl.exceptions.PolarsError):
        # Whatever is wrong with what goes is not looked at.
        return []
    known = int(item_ids.is_in(before.implode()).sum())
    if min(len(before), len(item_ids)) < FEWEST or known >= HARDLY_ANY * len(item_ids):
        return []
    return [
        f"{known:,} of {say_count(len(item_ids), 'item')} {inflect(known, 'was', 'were')} in "
        f"{former.dataset} before: is this another shop's file? "
        f"{option('name', 'NAME')} gives it a place of its own"
    ]
