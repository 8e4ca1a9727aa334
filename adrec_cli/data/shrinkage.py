"""A data set that would take the place of a much larger one, as after an export that broke off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from adrec_cli.artifacts.changing import manifest_before
from adrec_cli.errors import InputError
from adrec_cli.wording import option, say_count

if TYPE_CHECKING:
    from pathlib import Path

    from adrec_cli.data.reading.read_report import ReadReport

MUCH: Final = 0.3
"""Part that is gone; a window of the last weeks does not lose so much in a night."""
FEWEST: Final = 20
"""Interactions or users before; losing a few of less says nothing."""
DESCRIPTIVE: Final = ("found", "updated")
"""Parameters that describe what was found or done, not what was asked for."""


def hold_against_former(
    folder: Path, parameters: Mapping[str, Any], made: Mapping[str, Any], report: ReadReport, *, strict: bool
) -> None:
    """Add to the report that a data set takes the place of a much larger one that was cut by the same options.

    Args:
        folder: of the data set; it may hold none.
        parameters: what was asked for.
        made: statistics of what comes.
        report: of its reading; gets a sentence.
        strict: whether it is an error.

    Raises:
        InputError: it is, and `strict` is set.
    """
    former = manifest_before(folder)
    if (
        former is None
        or {key: value for key, value in former.parameters.items() if key not in DESCRIPTIVE} != parameters
    ):
        return
    gone = [
        f"{say_count(made[f'{what}s'], what)} ({former.statistics[f'{what}s']:,} before)"
        for what in ("interaction", "user")
        if former.statistics[f"{what}s"] >= FEWEST and made[f"{what}s"] <= (1 - MUCH) * former.statistics[f"{what}s"]
    ]
    if not gone:
        return
    if strict:
        raise InputError(
            f"{former.dataset} would have {' and '.join(gone)}",
            hint=f"check that the export is whole; if it is right, leave {option('strict')} out",
        )
    report.doubts.append(f"{former.dataset} has {' and '.join(gone)}: is the export whole?")
