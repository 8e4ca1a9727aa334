"""Fetching a source over https: with progress, resuming, a checksum, and an end to the slow, endless or oversized."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from adrec_cli import __version__
from adrec_cli.artifacts.atomic import replacing, storage_error
from adrec_cli.data.pins import Pin
from adrec_cli.data.reading.read_limits import UNLIMITED_BY_HAND
from adrec_cli.errors import InputError, StorageError, UsageError
from adrec_cli.events import OnEvent
from adrec_cli.wording import option, say_count

MOST_UNASKED_BYTES: Final = 100_000_000
"""Nothing larger is downloaded before the user has agreed to it."""
MOST_BYTES: Final = 100_000_000_000
"""No data set's file is larger; what does not end is stopped here."""
SLOW_SECONDS: Final = 60
SLOWEST_BYTES_PER_SECOND: Final = 1000
"""A server that gives less than this for `SLOW_SECONDS` is given up."""
_CHUNK_BYTES: Final = 1 << 20
_HTTPS: Final = "https://"
_TIMEOUT_SECONDS: Final = 30
_NETWORK_ERRORS: Final = (
    urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DownloadProgress:
    """How far a download is.

    Attributes:
        name: of the file.
        done: bytes that are here.
        total: bytes in all; None where the server does not say.
    """

    name: str
    done: int
    total: int | None


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a download may bring.

    Attributes:
        pin: what the file must contain.
        large: whether more than `MOST_UNASKED_BYTES` may come.
    """

    pin: Pin = field(default_factory=Pin)
    large: bool = False


class _WrongContentError(Exception):
    """A server gives something else than the file; what has arrived of it is of no use."""


def download(url: str, target: Path, *, expected: Expectation, on_event: OnEvent) -> None:
    """Fetch a file unless it is here; a `.part` file of an earlier try is continued.

    Args:
        url: where it is.
        target: where it goes.
        expected: what it must contain, and how large it may be.
        on_event: gets `DownloadProgress`.

    Raises:
        InputError: the server cannot be reached, is too slow, or gives something else.
        UsageError: it is larger than what is downloaded unasked.
        StorageError: it cannot be written.
    """
    if target.is_file():
        return
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, expected, on_event)
        if fault := expected.pin.fault(part):
            raise _WrongContentError(f"a file with {fault}")
        os.replace(part, target)
        _validator_file(part).unlink(missing_ok=True)
    except _WrongContentError as error:
        part.unlink(missing_ok=True)
        raise InputError(
            f"{url} gave {error}",
            hint="the source changed or the transfer was damaged; try again, "
            f"or use {option('raw')} with a file you trust",
        ) from error
    except _NETWORK_ERRORS as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise InputError(
            f"could not fetch {url}: {reason}",
            hint=f"fetch it on a machine with network access, put it into a folder and name that with {option('raw')} "
            f"(as {target.name}); what has arrived so far is kept and continued",
        ) from error
    except OSError as error:
        raise storage_error("write", part, error) from error


def extract_member(archive: Path, member: str, target: Path) -> None:
    """Unpack one file of a zip archive, unless it is here.

    Raises:
        InputError: the archive is damaged or has no such file.
        StorageError: it cannot be written.
    """
    if target.is_file():
        return
    try:
        with (
            zipfile.ZipFile(archive) as content,
            content.open(member) as source,
            replacing(target) as temporary,
            open(temporary, "wb") as file,
        ):
            most = UNLIMITED_BY_HAND.most_bytes(archive)
            while chunk := source.read(_CHUNK_BYTES):
                file.write(chunk)
                if file.tell() > most:
                    raise UNLIMITED_BY_HAND.unpacks_too_much(archive)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise InputError(
            f"{archive} has no readable {member!r}: {error}", hint=f"remove {archive} and run the command again"
        ) from error


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect unless it leads from https to anything else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.full_url.startswith(_HTTPS) and not newurl.startswith(_HTTPS):
            raise urllib.error.URLError(f"it leads to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, part: Path, expected: Expectation, on_event: OnEvent) -> None:
    """Bring the rest of a file, or all of it, into its `.part`."""
    done = _usable(part, expected.pin)
    try:
        response = _open(_request(url, part, done, expected.pin))
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # The part is as long as the file or longer: only its checksum can tell, so begin again.
        error.close()
        part.unlink()
        return _fetch(url, part, expected, on_event)
    with response:
        if response.status != http.client.PARTIAL_CONTENT:
            done = 0
        elif _first_byte(response) not in (None, done):
            raise _WrongContentError("another part of the file than was asked for")
        length = response.headers.get("Content-Length")
        total = done + int(length) if length and length.isdecimal() else None
        _check_before(response, part, done, total, expected)
        _keep_validator(response, part)
        done = _receive(response, part, done, total, expected, on_event)
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done:,} of {say_count(total, 'byte')}")
    return None


def _open(request: urllib.request.Request) -> http.client.HTTPResponse:
    """Open an address; proxies are those of the environment."""
    response: http.client.HTTPResponse = urllib.request.build_opener(_SafeRedirects).open(
        request, timeout=_TIMEOUT_SECONDS
    )
    return response


def _request(url: str, part: Path, done: int, pin: Pin) -> urllib.request.Request:
    request = urllib.request.Request(url, headers={"User-Agent": f"adrec/{__version__}"})
    if done:
        request.add_header("Range", f"bytes={done}-")
        if not pin.known:
            request.add_header("If-Range", _validator_file(part).read_text(encoding="utf-8"))
    return request


def _usable(part: Path, pin: Pin) -> int:
    """Return how many bytes of an earlier try can be continued: without a checksum only those of a named version."""
    if not part.is_file() or not (pin.known or _validator_file(part).is_file()):
        return 0
    return part.stat().st_size


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _keep_validator(response: http.client.HTTPResponse, part: Path) -> None:
    """Write down which version of a file arrives, so that another is not appended to it."""
    tag = response.headers.get("ETag", "")
    version = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
    if version:
        _validator_file(part).write_text(version, encoding="utf-8")
    else:
        _validator_file(part).unlink(missing_ok=True)


def _first_byte(response: http.client.HTTPResponse) -> int | None:
    """Return from where on a server sends a file, None if it does not say."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return None if found is None else int(found[1])


def _check_before(
    response: http.client.HTTPResponse, part: Path, done: int, total: int | None, expected: Expectation
) -> None:
    """Refuse what cannot be the file, what nobody agreed to, and what there is no room for, before it comes."""
    wanted = expected.pin.bytes
    if total is not None and wanted is not None and total != wanted:
        raise _WrongContentError(f"a file of {say_count(total, 'byte')}, expected {wanted:,}")
    if not expected.pin.known and response.headers.get_content_type() == "text/html":
        raise _WrongContentError("a web page, not a file: it asks for a login, or has moved")
    _require_agreed(part, total or 0, expected)
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - done > free:
        raise StorageError(
            f"{part.parent} has {free / 1e6:,.0f} MB left, {total / 1e6:,.0f} MB are to come",
            hint="free space, or name another folder for downloads with ADREC_CACHE",
        )


def _require_agreed(part: Path, size: int, expected: Expectation) -> None:
    if size > MOST_UNASKED_BYTES and not expected.large:
        raise UsageError(
            f"{part.stem} has {size / 1e6:,.0f} MB or more, and nothing above {MOST_UNASKED_BYTES / 1e6:.0f} MB is "
            "downloaded unasked",
            hint=f"to download it, add {option('yes', True)}",
        )


def _receive(
    response: http.client.HTTPResponse,
    part: Path,
    done: int,
    total: int | None,
    expected: Expectation,
    on_event: OnEvent,
) -> int:
    """Write what comes and return how many bytes are here then."""
    most = expected.pin.bytes or MOST_BYTES
    since, counted = time.monotonic(), done
    with open(part, "ab" if done else "wb") as file:
        # Not `read`, which waits for a whole chunk however slowly it comes.
        while chunk := response.read1(_CHUNK_BYTES):
            done += len(chunk)
            if done > most:
                raise _WrongContentError(f"more than the {say_count(most, 'byte')} that were expected")
            _require_agreed(part, done, expected)
            file.write(chunk)
            on_event(DownloadProgress(name=part.stem, done=done, total=total or expected.pin.bytes))
            if (elapsed := time.monotonic() - since) >= SLOW_SECONDS:
                if done - counted < SLOWEST_BYTES_PER_SECOND * elapsed:
                    raise ConnectionError(f"it gave {say_count(done - counted, 'byte')} in {elapsed:.0f} seconds")
                since, counted = time.monotonic(), done
    return done
