"""What the names of columns say: the role a customary name stands for, and whether a name sounds like a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

Role = Literal["user", "item", "timestamp", "rating"]
Column = str | int
"""A column by name, or by position counted from 1. A whole number, also one in a text, is always a position."""
TimeColumn = Column | Sequence[Column]
"""A column, or those whose parts make up a time; in a text they stand with commas between them."""
ROLES: Final[tuple[Role, ...]] = ("user", "item", "timestamp", "rating")

_DEEDS: Final = (
    "event", "invoice", "order", "purchase", "transaction", "impression", "review", "rating", "click", "view", "visit",
    "checkin", "action", "sale", "sales", "request", "log", "utc", "visited", "interaction",
)  # fmt: skip
_KNOWN: Final[dict[Role, tuple[str, ...]]] = {
    "user": (
        "userid", "user", "uid", "reviewerid", "visitorid", "visitor", "customerid", "customer", "memberid", "member",
        "username", "householdkey", "householdid", "household", "buyerid", "buyer", "clientid", "client", "shopperid",
        "shopper", "custid", "customerno", "customernumber", "customernr", "studentid", "kundenid", "kundennr",
        "kundennummer", "kunde", "clienteid", "cliente", "usuarioid", "usuario", "utilisateurid", "utilisateur",
        "sessionid", "session",
    ),
    "item": (
        "itemid", "item", "iid", "parentasin", "asin", "movieid", "businessid", "productid", "product", "sku",
        "stockcode", "artistid", "trackid", "songid", "bookid", "isbn", "articleid", "article", "videoid", "poiid",
        "venueid", "gmapid", "newsid", "recipeid", "gameid", "appid", "animeid", "goodsid", "aid", "prodid", "courseid",
        "productcode", "itemcode", "skuid", "artikelid", "artikelnr", "artikelnummer", "produktid", "produitid",
        "productoid", "produtoid",
    ),
    "timestamp": (
        "timestamp", "ts", "unixreviewtime", "unixtimestamp", "unixtime", "eventtimestamp", "datetime",
        "time", "date", "tdat", "dateadded", "boughtat", "createdat",
        *(f"{deed}{moment}" for deed in _DEEDS for moment in ("date", "time", "datetime", "timestamp", "ts")),
    ),
    "rating": ("rating", "overall", "stars", "score", "bookrating", "userrating", "reviewscore", "ratings"),
}  # fmt: skip
_CERTAIN_TIMES: Final = _KNOWN["timestamp"][:7]
_SESSIONS: Final = ("sessionid", "session")
_TIME_ENDING: Final = re.compile(
    r".*[A-Za-z](_(at|ts|timestamp)|_AT|_TS|_TIMESTAMP|(?<=[a-z])(At|Ts|Timestamp|TimeStamp))"
)
_DATE_WORDS: Final = frozenset({"date", "dates", "datetime", "timestamp", "dat", "datum", "fecha"})
_YEAR_WORDS: Final = frozenset({"year", "years", "yr", "jahr", "annee", "ano"})
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ID_FIRST: Final = re.compile(r"(?:[Ii][Dd][_ -]|id(?=[A-Z]))(\w+)")
_ID_LAST: Final = re.compile(r"\w+[_ -][Ii][Dd]|\w*[a-z](Id|ID)")

TimeName = Literal["certain", "known", "ending", "similar", ""]
"""certain: `timestamp` and its like; known: `date`, `order_date`; ending: `*_at`; similar: `release_date`."""


def plain_name(name: str) -> str:
    """Return a name as it is compared: small letters and digits only; RecBole writes "user_id:token"."""
    return re.sub(r"[^a-z0-9]", "", name.strip().lower().split(":")[0])


def look_up_column(name: str) -> tuple[Role, int] | None:
    """Return the role a customary column name stands for and its rank among the names for that role."""
    plain = _id_last(name)
    for role, names in _KNOWN.items():
        if plain in names:
            return role, names.index(plain)
    if time_name(name) == "ending":
        return "timestamp", len(_KNOWN["timestamp"])
    return None


def names_an_id(name: str) -> bool:
    """Return whether a name says that it is of ids, whatever of: `venue_id`, `courseId`, `id_prod`."""
    bare = name.strip().split(":")[0]
    return _ID_LAST.fullmatch(bare) is not None or _ID_FIRST.fullmatch(bare) is not None


def time_name(name: str) -> TimeName:
    """Return how much a name sounds like the time of an event."""
    plain = plain_name(name)
    if plain in _CERTAIN_TIMES:
        return "certain"
    words = [word.lower() for word in _WORD.findall(name.split(":")[0])]
    if plain in _KNOWN["timestamp"]:
        return "known"
    if _TIME_ENDING.fullmatch(name.strip().split(":")[0]):
        return "ending"
    return "similar" if _DATE_WORDS & set(words) else ""


def names_a_year(name: str) -> bool:
    """Return whether a name says that it is of years."""
    return bool(_YEAR_WORDS & {word.lower() for word in _WORD.findall(name.split(":")[0])})


def names_a_session(name: str) -> bool:
    """Return whether a column is one of sessions, of which a person has many."""
    return _id_last(name) in _SESSIONS


def _id_last(name: str) -> str:
    """Return a name as it is compared, `id_client` as `clientid`."""
    turned = _ID_FIRST.fullmatch(name.strip().split(":")[0])
    return f"{plain_name(turned[1])}id" if turned else plain_name(name)
