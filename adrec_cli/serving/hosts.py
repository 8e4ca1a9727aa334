"""Which names a server may be asked by: a web page whose name was made to lead here asks by its own."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

ANY = "*"
_WITH_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+)(?::\d{0,5})?")


class AllowedHosts:
    """Names by which requests may call the server.

    Addresses always do, as no page of another site is called by one; so do localhost, the name of this machine and
    the one the server listens on.
    """

    def __init__(self, names: Iterable[str], listening: str) -> None:
        """Take further names; `*` allows all."""
        self._names = {"localhost", _plain(socket.gethostname()), _plain(listening), *map(_plain, names)}

    def allows(self, header: str | None) -> bool:
        """Whether a request with this `Host` is meant for the server; HTTP/1.0 may leave it out."""
        if header is None or ANY in self._names:
            return True
        found = _WITH_PORT.fullmatch(header)
        if found is None:
            return False
        name = _plain(found[1])
        return name in self._names or _is_address(name.strip("[]"))


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
