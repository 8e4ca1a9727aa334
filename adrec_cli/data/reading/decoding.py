"""From what lies on disk (gzip, zstd, latin-1, a BOM) to plain UTF-8 files a scan can stream."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

import pyarrow as pa

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.errors import InputError

CHUNK_BYTES: Final = 1 << 22
MOST_EXPANSION: Final = 500
ALWAYS_UNPACKED_BYTES: Final = 1 << 30
"""A compressed file may unpack to so many bytes however small it is, and to `MOST_EXPANSION` times its size."""
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_BINARY = {b"PAR1": "parquet", b"ARROW1": "arrow"}
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A source file as plain bytes.

    Attributes:
        path: the file the user named.
        plain: the same content without compression, UTF-8 without BOM if it is text; may be `path` itself.
        container: "parquet", "arrow" or "text".
        compression: "gzip", "zstd" or "".
        encoding: of the text as found; "" for binary containers.
    """

    path: Path
    plain: Path
    container: str
    compression: str
    encoding: str


def unreadable(path: Path, error: OSError) -> InputError:
    """Turn the `OSError` of reading a source into the line a user sees."""
    reason = storage_error("read", path, error).message
    return InputError(reason, hint="check the path and its permissions")


def most_unpacked(path: Path) -> int:
    """Return how many bytes a compressed file may unpack to: tables shrink a hundredfold at most, bombs far more."""
    return max(ALWAYS_UNPACKED_BYTES, MOST_EXPANSION * path.stat().st_size)


def unpacks_too_much(path: Path, most: int) -> InputError:
    """Return the error that tells of a decompression bomb."""
    return InputError(
        f"{path} unpacks to more than {most:,} bytes, {MOST_EXPANSION} times its size: no table does",
        hint="unpack it yourself if you trust it, and name the file inside",
    )


def decode(path: Path, *, encoding: str | None, scratch: Path) -> Decoded:
    """Decompress and transcode a file where that is needed, in a stream.

    Args:
        path: the source file.
        encoding: of its text; None finds out (UTF-8 with or without BOM, UTF-16 with BOM, else latin-1).
        scratch: folder for the plain copies; the caller removes it.

    Raises:
        InputError: damaged, truncated, empty, or of a kind that is not read.
    """
    head = _head(path, 8)
    if not head:
        raise InputError(f"{path} is empty", hint="check the download or the export that made it")
    if head.startswith(_ZIP):
        raise InputError(f"{path} is a zip archive, expected one table", hint="unpack it and name the file inside")
    compression = "gzip" if head.startswith(_GZIP) else "zstd" if head.startswith(_ZSTD) else ""
    plain = path
    if compression:
        plain = scratch / f"{len(list(scratch.iterdir()))}-{path.name.removesuffix('.gz').removesuffix('.zst')}"
        _decompress(path, plain, compression)
        head = _head(plain, 8)
        if not head:
            raise InputError(f"{path} is empty after decompression", hint="check the export that made it")
    for magic, container in _BINARY.items():
        if head.startswith(magic):
            return Decoded(path=path, plain=plain, container=container, compression=compression, encoding="")
    found = encoding or find_encoding(plain)
    if found != "utf-8":
        plain = _transcode(path, plain, found, scratch)
    return Decoded(path=path, plain=plain, container="text", compression=compression, encoding=found)


def find_encoding(path: Path) -> str:
    """Return "utf-8", "utf-8-sig", "utf-16" or "latin-1" for a plain text file, reading all of it.

    Raises:
        InputError: it holds NUL bytes, so it is not text.
    """
    head = _head(path, 4)
    for bom, name in _BOMS.items():
        if head.startswith(bom):
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding = "utf-8"
    for chunk in _chunks(path):
        if b"\0" in chunk:
            raise InputError(
                f"{path} is not a text file: it holds NUL bytes",
                hint="adrec reads CSV, TSV, JSON lines, Parquet and Arrow, plain or .gz/.zst; pickles are never read",
            )
        if encoding == "utf-8" and not (chunk.isascii() and not decoder.getstate()[0]):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                encoding = "latin-1"
    if encoding == "utf-8":
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            encoding = "latin-1"
    return encoding


def _decompress(path: Path, target: Path, compression: str) -> None:
    done = 0
    try:
        most = most_unpacked(path)
        with _open_compressed(path, compression) as source, open(target, "wb") as file:
            while chunk := source.read(CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                if done > most:
                    raise unpacks_too_much(path, most)
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException, ValueError) as error:
        raise _damaged(path, compression, done, error) from error
    except OSError as error:
        # pyarrow reports broken zstd frames as OSError without an errno.
        if error.errno is None:
            raise _damaged(path, compression, done, error) from error
        raise unreadable(path, error) from error


def _open_compressed(path: Path, compression: str) -> IO[bytes]:
    if compression == "gzip":
        return cast(IO[bytes], gzip.open(path, "rb"))
    stream: IO[bytes] = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return stream


def _damaged(path: Path, compression: str, done: int, error: Exception) -> InputError:
    return InputError(
        f"{path} is a damaged or truncated {compression} file: readable up to byte {done} of its content ({error})",
        hint="fetch or make the file again",
    )


def _transcode(path: Path, plain: Path, encoding: str, scratch: Path) -> Path:
    target = scratch / f"{len(list(scratch.iterdir()))}-utf8-{plain.name}"
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError as error:
        raise InputError(f"encoding {encoding!r} is unknown", hint="try --encoding utf-8 or latin-1") from error
    done = 0
    with open(target, "wb") as file:
        try:
            for chunk in _chunks(plain):
                file.write(decoder.decode(chunk).encode())
                done += len(chunk)
            file.write(decoder.decode(b"", final=True).encode())
        except UnicodeError as error:
            raise InputError(
                f"{path} is not {encoding} text near byte {done}: {error}",
                hint="leave the encoding out to have it found, or name another",
            ) from error
    return target


def _head(path: Path, size: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError as error:
        raise unreadable(path, error) from error


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise unreadable(path, error) from error
