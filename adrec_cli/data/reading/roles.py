"""Which column of a table is the user, the item, the time and the rating."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from adrec_cli.errors import InputError

Role = Literal["user", "item", "timestamp", "rating"]
ROLES: Final[tuple[Role, ...]] = ("user", "item", "timestamp", "rating")

Column = str | int
"""A column by name, or by position counted from 1."""

_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "user": ("userid", "user", "uid", "reviewerid", "visitorid", "customerid", "memberid", "username", "sessionid"),
    "item": (
        "itemid", "item", "iid", "parentasin", "asin", "movieid", "businessid", "productid", "artistid", "trackid",
    ),
    "timestamp": (
        "timestamp", "time", "ts", "unixreviewtime", "datetime", "date", "eventtime", "eventdate", "createdat",
    ),
    "rating": ("rating", "overall", "stars", "score"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Positions, counted from 0, of the columns that are read; None where there is none."""

    user: int
    item: int
    timestamp: int | None = None
    rating: int | None = None


def known_column(name: str) -> tuple[str, int] | None:
    """Return the role a customary column name stands for and its rank among the names for that role."""
    # RecBole writes "user_id:token".
    plain = re.sub(r"[^a-z0-9]", "", name.strip().lower().split(":")[0])
    for role, names in _KNOWN.items():
        if plain in names:
            return role, names.index(plain)
    return None


def find_roles(
    columns: Sequence[str],
    path: Path,
    *,
    user: Column | None = None,
    item: Column | None = None,
    timestamp: Column | None = None,
    rating: Column | None = None,
    rating_needed: bool = False,
) -> Roles:
    """Resolve the four roles of a table: as asked for, else by customary names.

    Args:
        columns: names in order.
        path: of the file, for messages.
        user, item, timestamp, rating: a name, or a position from 1; None looks for a customary name.
        rating_needed: whether a missing rating column is an error.

    Raises:
        InputError: a column is missing, or one column has two roles.
    """
    asked = {"user": user, "item": item, "timestamp": timestamp, "rating": rating}
    needed = {"user", "item", "rating"} if rating_needed else {"user", "item"}
    found: dict[str, int | None] = {}
    # What is asked for comes first, so that a customary name is looked for among the rest only.
    for role in sorted(asked, key=lambda role: asked[role] is None):
        taken = {position for position in found.values() if position is not None}
        position = find_column(columns, path, role, asked[role], needed=role in needed, taken=taken)
        if position is not None and position in taken:
            raise InputError(
                f"{path}: column {columns[position]!r} has two roles", hint="name a different column for each role"
            )
        found[role] = position
    if found["user"] is None or found["item"] is None:
        raise AssertionError("find_column raises where a needed role is missing")
    return Roles(user=found["user"], item=found["item"], timestamp=found["timestamp"], rating=found["rating"])


def find_column(
    columns: Sequence[str],
    path: Path,
    role: str,
    asked: Column | None,
    *,
    needed: bool,
    taken: Collection[int] = (),
) -> int | None:
    """Return the position, from 0, of the column with a role; None if there is none and none is needed.

    Args:
        columns: names in order.
        path: of the file, for messages.
        role: "user", "item", "timestamp" or "rating".
        asked: a name, or a position from 1; None looks for a customary name.
        needed: whether a missing column is an error.
        taken: positions that have a role already.

    Raises:
        InputError: it is missing.
    """
    listing = ", ".join(columns[:30]) + (", ..." if len(columns) > 30 else "")
    if asked is not None:
        if isinstance(asked, str) and asked in columns:
            return list(columns).index(asked)
        position = int(asked) if str(asked).isdecimal() else 0
        if 1 <= position <= len(columns):
            return position - 1
        raise InputError(
            f"{path} has no column {asked!r} for the {role}, it has: {listing}",
            hint=f"give a name or a position from 1 to {len(columns)} with --{role}-column",
        )
    known = [(known_column(name), position) for position, name in enumerate(columns) if position not in taken]
    ranked = sorted((entry[1], position) for entry, position in known if entry is not None and entry[0] == role)
    if ranked:
        return ranked[0][1]
    if needed:
        raise InputError(
            f"{path} has no column that is known to be the {role}, it has: {listing}",
            hint=f"name it with --{role}-column, or give its position",
        )
    return None
