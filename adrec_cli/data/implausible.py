"""Updates that are hard to believe: ids of another form, unknown items or users, times far from all others."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from adrec_cli.data.interactions import Interactions
from adrec_cli.data.reading.column_names import names_a_session
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.times import moment_text
from adrec_cli.data.updating import Existing
from adrec_cli.errors import InputError
from adrec_cli.wording import inflect, option, say_count

NINE_IN_TEN: Final = 0.9
FEWEST_IDS: Final = 5
"""So few ids of a file prove nothing about their form."""
FEWEST_EVENTS, FEWEST_USERS = 20, 20
_RARE_FORM: Final = 0.01
_NEARLY_NONE: Final = 0.05
_DAY: Final = 86_400 * 10**6
_TEN_YEARS: Final = int(timedelta(days=3653) / timedelta(microseconds=1))
# Upper case, lower case, mixed, digits: what stands for a run of each is none of these itself.
_RUNS: Final = (
    (r"\b[\p{N}_]*\p{Lu}[\p{Lu}\p{N}_]*\b", "▲"),
    (r"\b[\p{N}_]*\p{Ll}[\p{Ll}\p{N}_]*\b", "▼"),
    (r"[\p{L}\p{N}_]*\p{L}[\p{L}\p{N}_]*", "◆"),
    (r"^0\p{N}+$", "○"),
    (r"\p{N}+", "9"),
)


def hold_against(existing: Existing | None, new: Interactions, report: ReadReport, *, strict: bool) -> None:
    """Add to the report what is hard to believe about an update.

    Args:
        existing: what is added to; None for a new data set, which is compared with nothing.
        new: what is added.
        report: of its reading; gets a sentence with figures for each doubt.
        strict: whether a doubt is an error.

    Raises:
        InputError: there is a doubt, and `strict` is set.
    """
    if existing is None or not len(new):
        return
    doubts = find_doubts(existing, new, report)
    future = _future_times(new, int(time.time() * 10**6)) if report.timed else ""
    # The reading warns of what lies after tomorrow itself.
    report.doubts = doubts + ([future] if future and not report.time_warnings else [])
    if strict and (doubts or future):
        raise InputError(
            f"what would be added to {existing.manifest.dataset} is not plausible: "
            f"{'; '.join([*doubts, *filter(None, [future])])}",
            hint=f"look at it with {option('dry_run')}; if it is right, leave {option('strict')} out",
        )


def find_doubts(existing: Existing, new: Interactions, report: ReadReport) -> list[str]:
    """Return a sentence for each thing that is hard to believe beside what is there.

    Args:
        existing: what is added to.
        new: what is added; at least one.
        report: of its reading.
    """
    old = existing.interactions
    sessions = isinstance(name := report.columns.get("user", ""), str) and names_a_session(name)
    doubts = [
        _other_form("user", old.user_ids, new.user_ids),
        _other_form("item", old.item_ids, new.item_ids),
        _unknown_items(existing, new),
        "" if sessions else _unknown_users(existing, new),
    ]
    if report.timed and existing.timed:
        doubts.append(_old_times(existing, new))
    return [doubt for doubt in doubts if doubt]


def form_of_ids(ids: pl.Series) -> pl.Series:
    """Return the form of each id: one sign for each run of letters or digits, all else as it is."""
    form = pl.col("id")
    for run, sign in _RUNS:
        form = form.str.replace_all(run, sign)
    return ids.rename("id").to_frame().select(form).to_series()


def _other_form(role: str, old: pl.Series, new: pl.Series) -> str:
    """Say that most ids are written in a form that nearly none had before."""
    strange = new.filter(~new.is_in(old.implode()))
    if len(strange) < FEWEST_IDS or len(strange) < NINE_IN_TEN * len(new):
        return ""
    before = form_of_ids(old).value_counts(name="events")
    usual = before.filter(pl.col("events") >= max(1.0, _RARE_FORM * len(old)))["id"]
    other = strange.filter(~form_of_ids(strange).is_in(usual.implode()))
    if len(other) < NINE_IN_TEN * len(new):
        return ""
    return (
        f"{len(other):,} of {len(new):,} {role} ids are of a form that ids did not have before, such as {other[0]!r}; "
        f"before they were such as {old[0]!r}"
    )


def _unknown_items(existing: Existing, new: Interactions) -> str:
    if len(new) < FEWEST_EVENTS:
        return ""
    known = new.item_ids.is_in(existing.interactions.item_ids.implode()).to_numpy()
    hits = int(np.count_nonzero(known[new.item]))
    if hits >= _NEARLY_NONE * len(new):
        return ""
    return (
        f"{hits:,} of {say_count(len(new), 'interaction')} {inflect(hits, 'is', 'are')} "
        f"with items that {existing.manifest.dataset} knows"
    )


def _unknown_users(existing: Existing, new: Interactions) -> str:
    known = int(new.user_ids.is_in(existing.interactions.user_ids.implode()).sum())
    if len(new.user_ids) < FEWEST_USERS or known >= _NEARLY_NONE * len(new.user_ids):
        return ""
    return (
        f"{known:,} of {say_count(len(new.user_ids), 'user')} "
        f"{inflect(known, 'is', 'are')} known to {existing.manifest.dataset}"
    )


def _old_times(existing: Existing, new: Interactions) -> str:
    times = existing.interactions.time
    bound = min(int(times.max()) - _TEN_YEARS, int(times.min()))
    old = int(np.count_nonzero(new.time < bound))
    if not old:
        return ""
    earliest, newest = moment_text(int(new.time.min())), moment_text(int(times.max()))
    return (
        f"{old:,} of {say_count(len(new), 'interaction')} {inflect(old, 'lies', 'lie')} "
        f"ten years back and more, the earliest at {earliest}; "
        f"before, the newest was of {newest}"
    )


def _future_times(new: Interactions, now: int) -> str:
    future = int(np.count_nonzero(new.time > now + _DAY))
    if not future:
        return ""
    return (
        f"{future:,} of {say_count(len(new), 'interaction')} {inflect(future, 'lies', 'lie')} in "
        f"the future, the last at {moment_text(int(new.time.max()))}"
    )
