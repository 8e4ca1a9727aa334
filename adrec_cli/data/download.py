"""Fetching a source over https: with progress, resuming, and a checksum."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from adrec_cli import __version__
from adrec_cli.artifacts.atomic import file_sha256, replacing, storage_error
from adrec_cli.data.reading.decoding import most_unpacked, unpacks_too_much
from adrec_cli.errors import InputError

_CHUNK_BYTES: Final = 1 << 20
_HTTPS: Final = "https://"
_TIMEOUT_SECONDS: Final = 30


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


def download(url: str, target: Path, *, sha256: str, on_event: Callable[[object], None]) -> None:
    """Fetch a file unless it is here; a `.part` file of an earlier try is continued.

    Args:
        url: where it is.
        target: where it goes.
        sha256: what it must have; "" checks nothing.
        on_event: gets `DownloadProgress`.

    Raises:
        InputError: the server cannot be reached or gives something else.
        StorageError: it cannot be written.
    """
    if target.is_file():
        return
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, target.name, on_event)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or str(error)
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise InputError(
            f"could not fetch {url}: {reason}",
            hint=f"fetch it on a machine with network access, put it into a folder and name that with --raw "
            f"(as {target.name}); what has arrived so far is kept and continued",
        ) from error
    except OSError as error:
        raise storage_error("write", part, error) from error
    if sha256:
        found = file_sha256(part)
        if found != sha256:
            part.unlink(missing_ok=True)
            raise InputError(
                f"{url} gave a file with sha256 {found[:12]}..., expected {sha256[:12]}...",
                hint="the source changed or the transfer was damaged; try again, or use --raw with a file you trust",
            )
    try:
        os.replace(part, target)
    except OSError as error:
        raise storage_error("write", target, error) from error


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
            most = most_unpacked(archive)
            while chunk := source.read(_CHUNK_BYTES):
                file.write(chunk)
                if file.tell() > most:
                    raise unpacks_too_much(archive, most)
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


def _fetch(url: str, part: Path, name: str, on_event: Callable[[object], None]) -> None:
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": f"adrec/{__version__}"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        response = urllib.request.build_opener(_SafeRedirects).open(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # The part is as long as the file or longer: only its checksum can tell, so begin anew.
        error.close()
        part.unlink()
        return _fetch(url, part, name, on_event)
    with response:
        if response.status != http.client.PARTIAL_CONTENT:
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length and length.isdecimal() else None
        with open(part, "ab" if done else "wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                on_event(DownloadProgress(name=name, done=done, total=total))
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done:,} of {total:,} bytes")
    return None
