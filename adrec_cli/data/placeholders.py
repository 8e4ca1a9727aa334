"""Users that stand for nobody: one id, such as NA or 0, under which a file puts whoever was not known."""

from __future__ import annotations

import re
from typing import Final

from adrec_cli.data.interactions import Log
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.wording import option, say_count

FEWEST_USERS: Final = 20
MOST_SHARE: Final = 0.1
MOST_TIMES: Final = 50
"""A user with a tenth of all interactions, and fifty times as many as the others on average, is hardly one person."""


def warn_of_placeholder(interactions: Log, report: ReadReport) -> list[str]:
    """Return a warning if one user has so many of the interactions that it may stand for all who are not known.

    Args:
        interactions: as they were read.
        report: of the reading, for the name of the column.
    """
    counts = interactions.user_counts()
    users = int((counts > 0).sum())
    if users < FEWEST_USERS:
        return []
    most = int(counts.max())
    others = (len(interactions) - most) / (users - 1)
    if most < MOST_SHARE * len(interactions) or most < MOST_TIMES * others:
        return []
    user = str(interactions.user_ids[int(counts.argmax())])
    column = report.columns.get("user", "")
    sentence = (
        f"user {user!r} has {most:,} of {say_count(len(interactions), 'interaction')}, others {others:,.1f} on average"
    )
    if isinstance(column, list) or '"' in column + user:
        return [f"{sentence}: does it stand for nobody?"]
    condition = f"{_quote(column)} != {_quote(user)}"
    return [f"{sentence}: if it stands for nobody, leave it out with {option('where', condition)}"]


def _quote(text: str) -> str:
    """Return a column or a value as a condition has it."""
    return text if re.fullmatch(r"[\w.:-]+", text) else f'"{text}"'
