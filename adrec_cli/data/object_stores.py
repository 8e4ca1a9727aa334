"""Object stores at their addresses; regions, endpoints and accounts come from where the stores' own programs look."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from adrec_cli.data.addresses import show_address
from adrec_cli.errors import UsageError

if TYPE_CHECKING:
    from pyarrow import fs

_ACCOUNT_VARIABLE: Final = "AZURE_STORAGE_ACCOUNT_NAME"


def check_form(address: str) -> str:
    """Return an address, its kind in small letters, if it says where to look.

    Raises:
        UsageError: it names no host or bucket.
    """
    kind, _, rest = address.partition("://")
    address = f"{kind.lower()}://{rest}"
    try:
        place = urlsplit(address).netloc
    except ValueError:
        # Does not stand in the message, as it repeats what may be secret.
        place = ""
    if not place:
        raise UsageError(
            f"no host or bucket can be read behind {kind}:// in this address", hint="give the whole address of a file"
        )
    return address


def open_store(address: str) -> tuple[fs.FileSystem, str]:
    """Return an object store and the path in it; who may read is where the store's own programs look for it."""
    from pyarrow import fs

    complete = _COMPLETED_BY.get(address.partition("://")[0])
    store, path = fs.FileSystem.from_uri(address if complete is None else complete(address))
    return store, path.rstrip("/")


def _complete_s3(address: str) -> str:
    """Return an address of S3 with region and endpoint of the environment, for which Arrow would ask Amazon."""
    head, _, query = address.partition("?")
    asked = {key: values[-1] for key, values in parse_qs(query).items()}
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        asked.setdefault("region", region)
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        parts = urlsplit(endpoint)
        if "endpoint_override" not in asked:
            asked |= {"endpoint_override": parts.netloc or endpoint, "scheme": parts.scheme or "https"}
    return f"{head}?{urlencode(asked)}" if asked else head


def _complete_azure(address: str) -> str:
    """Return an address of Azure with its account, which `az://container/path` takes from the environment."""
    account = os.environ.get(_ACCOUNT_VARIABLE)
    if not account:
        raise UsageError(f"{show_address(address)} names no account", hint=f"set {_ACCOUNT_VARIABLE}")
    return f"abfs://{account}@{address.partition('://')[2]}"


_COMPLETED_BY: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType({"s3": _complete_s3, "az": _complete_azure})
