"""Addresses of files that lie elsewhere, and how they are shown without what is secret in them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_BUCKET: Final = re.compile(r"[\w.-]+")
_HOST: Final = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d+)?")
_HOSTS: Final = re.compile(rf"({_HOST.pattern}(,{_HOST.pattern})*)?")
_PLACES: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {"https": _HOST, "postgresql": _HOSTS, "postgres": _HOSTS}
)
"""What stands between `://` and the first slash, less user and password, by how an address begins; else a bucket."""
_DATABASES: Final = ("postgresql", "postgres")
_USER_IN_TEXT: Final = re.compile(r"(?<=://)[^\s/@]*@")
_QUERY_IN_TEXT: Final = re.compile(r"(://[^\s?#]*)[?#][^\s'\"]*")
_SECRET_VARIABLE: Final = re.compile(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY|ACCOUNT_KEY")
HIDDEN: Final = "***"
"""Stands for what may be secret."""
_SHORTEST_SECRET: Final = 4


def is_address(text: str) -> bool:
    """Whether a source lies elsewhere: `s3://bucket/events.csv`."""
    return _ADDRESS.match(text) is not None


def find_address(path: Path | None) -> str | None:
    """Return the address that a path was made of, in which two slashes have become one; None where it is a path."""
    kind, slash, rest = str(path).partition(":/")
    address = f"{kind}://{rest.lstrip('/')}"
    return address if path is not None and slash and is_address(address) and not path.exists() else None


def show_path(path: Path) -> str:
    """Return a path as it is, or the address that it was made of as `show_address`."""
    return show_address(find_address(path) or str(path))


def show_address(address: str) -> str:
    """Return an address without user, password and query, for messages, locks and names; other text as it is."""
    if not is_address(address):
        return address
    scheme, _, given = address.partition("://")
    rest = re.split(r"[?#]", given, maxsplit=1)[0]
    place, slash, path = rest.partition("/")
    # A password that holds a slash ends what looks like the place, so that the rest may be secret.
    secret = scheme.lower() in _DATABASES and "@" in given[len(place) :]
    place = place.rpartition("@")[2]
    form = _PLACES.get(scheme.lower(), _BUCKET)
    return f"{scheme}://{HIDDEN}" if secret or not form.fullmatch(place) else f"{scheme}://{place}{slash}{path}"


def hide_secrets(text: str, address: str) -> str:
    """Return what somebody else's error says, without what is secret in an address or in the environment.

    Args:
        text: of the error.
        address: that was asked for.
    """
    text = text.replace(address, show_address(address))
    # Whole, before anything is cut off that looks like the query of another address.
    for secret in sorted(_list_secrets(address), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _QUERY_IN_TEXT.sub(r"\1", _USER_IN_TEXT.sub("", text))


def _list_secrets(address: str) -> set[str]:
    """Return user, password and values of the query, as written and as meant, and secrets of the environment."""
    head, _, query = address.partition("?")
    user = head.partition("://")[2].partition("/")[0].rpartition("@")[0]
    given = [*user.split(":"), *(part.rpartition("=")[2] for part in query.split("&"))]
    known = [value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name.upper())]
    spelled = {form for one in (*given, *known) for form in (one, unquote(one), quote(one, safe=""))}
    return {one for one in spelled if len(one) >= _SHORTEST_SECRET}
