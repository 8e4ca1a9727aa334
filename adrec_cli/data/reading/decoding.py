"""From what lies on disk (gzip, zstd, zip, latin-1, a BOM, CR) to plain UTF-8 files a scan can stream."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final, cast

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.regular_files import require_regular_file
from adrec_cli.data.reading.archives import DAMAGE, find_table, open_table
from adrec_cli.data.reading.foreign_files import HEAD_BYTES, refuse_foreign
from adrec_cli.data.reading.read_limits import UNLIMITED_BY_HAND, ReadLimits
from adrec_cli.errors import InputError, NoRowsError
from adrec_cli.wording import option

CHUNK_BYTES: Final = 1 << 22
_COMPRESSIONS: Final = {
    "gzip": rb"\x1f\x8b", "zstd": rb"\x28\xb5\x2f\xfd", "zip": rb"PK(\x03\x04|\x05\x06)", "bzip2": rb"BZh[1-9]1AY&SY",
    "xz": rb"\xfd7zXZ\0",
}  # fmt: skip
_BINARY = {b"PAR1": "parquet", b"ARROW1": "arrow"}
# A mark at the head of a line stood at the head of a file, before files were put behind one another.
_MARKS: Final = re.compile("(?<=[\r\n])\ufeff+")
_OTHERS: Final = bytes(byte for byte in range(256) if not 0x80 <= byte < 0xA0)
_UNDEFINED: Final = frozenset(b"\x81\x8d\x8f\x90\x9d")
"""What cp1252 does not have either."""
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A source file as plain bytes.

    Attributes:
        path: the file the user named.
        plain: the same content without compression, UTF-8 without BOM if it is text; may be `path` itself.
        container: "parquet", "arrow" or "text".
        compression: "gzip", "zstd", "zip", "bzip2", "xz" or "".
        encoding: of the text as found; "" for binary containers.
        columns: names of its columns, where its form says them and no header does.
    """

    path: Path
    plain: Path
    container: str
    compression: str
    encoding: str
    columns: tuple[str, ...] = ()


def unreadable(path: Path, error: OSError) -> InputError:
    """Turn the `OSError` of reading a source into the line a user sees."""
    reason = storage_error("read", path, error).message
    return InputError(reason, hint="check the path and its permissions")


def decode(path: Path, *, encoding: str | None, scratch: Path, limits: ReadLimits = UNLIMITED_BY_HAND) -> Decoded:
    """Decompress and transcode a file where that is needed, in a stream.

    Args:
        path: the source file.
        encoding: of its text; None finds out (UTF-8 with or without BOM, UTF-16 with BOM, else latin-1 or cp1252).
        scratch: folder for the plain copies; the caller removes it.
        limits: of what is read.

    Raises:
        InputError: damaged, truncated, empty, larger than the limits, or of a kind that is not read.
    """
    require_regular_file(path)
    head = _head(path, HEAD_BYTES)
    if not head:
        raise NoRowsError(f"{path} is empty", hint="check the download or the export that made it")
    compression = find_compression(head)
    plain = path
    if compression:
        plain, inner = _unpack(path, path, compression, scratch, limits)
        # An archive may hold a compressed table.
        if compression == "zip" and inner not in ("", "zip"):
            plain, _ = _unpack(path, plain, inner, scratch, limits)
        head = _head(plain, HEAD_BYTES)
        if not head:
            raise NoRowsError(f"{path} is empty after decompression", hint="check the export that made it")
    refuse_foreign(path, head)
    for magic, container in _BINARY.items():
        if head.startswith(magic):
            limits.require_few_rows(_count_rows(plain, container), path, plain.stat().st_size)
            return Decoded(path=path, plain=plain, container=container, compression=compression, encoding="")
    found = encoding or find_encoding(plain, path)
    if found != "utf-8":
        plain = _transcode(path, plain, found, scratch)
    decoded = Decoded(path=path, plain=plain, container="text", compression=compression, encoding=found)
    return _end_lines(decoded, scratch)


def find_compression(head: bytes) -> str:
    """Return how a file with these first bytes is compressed, "" if it is not."""
    return next((name for name, magic in _COMPRESSIONS.items() if re.match(magic, head)), "")


def find_encoding(path: Path, named: Path) -> str:
    """Return "utf-8", "utf-8-sig", "utf-16", "latin-1" or "cp1252" for a plain text file, reading all of it.

    Args:
        path: of the plain text, perhaps a copy.
        named: the file the user named.

    Raises:
        InputError: it holds NUL bytes, so it is not text.
    """
    head = _head(path, 4)
    for bom, name in _BOMS.items():
        if head.startswith(bom):
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding, marked, tail = "utf-8", False, b""
    for chunk in _chunks(path):
        if b"\0" in chunk:
            raise InputError(
                f"{named} is not a text file: it holds NUL bytes",
                hint="adrec reads CSV, TSV, JSON lines, Parquet and Arrow, plain or .gz/.zst; pickles are never read",
            )
        marked = marked or (not chunk.isascii() and b"\n" + codecs.BOM_UTF8 in tail + chunk)
        tail = (tail + chunk[-3:])[-3:]
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
    if encoding == "latin-1":
        return _choose_western(path)
    return "utf-8-sig" if marked else encoding


def _choose_western(path: Path) -> str:
    """Return "cp1252" for text with letters that it has in place of latin-1's control characters, else "latin-1"."""
    found = {byte for chunk in _chunks(path) for byte in set(chunk.translate(None, _OTHERS))}
    return "cp1252" if found and found.isdisjoint(_UNDEFINED) else "latin-1"


def _unpack(path: Path, packed: Path, compression: str, scratch: Path, limits: ReadLimits) -> tuple[Path, str]:
    """Decompress a file and return the plain copy, and how that is compressed in turn."""
    target = scratch / f"{len(list(scratch.iterdir()))}-plain-{path.stem}"
    _decompress(path, packed, target, compression, limits)
    return target, find_compression(_head(target, HEAD_BYTES))


def _decompress(path: Path, packed: Path, target: Path, compression: str, limits: ReadLimits) -> None:
    import pyarrow as pa

    done = 0
    try:
        most = limits.most_bytes(path)
        with _OPENERS[compression](packed) as source, open(target, "wb") as file:
            while chunk := source.read(CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                if done > most:
                    raise limits.unpacks_too_much(path)
    except (*DAMAGE, lzma.LZMAError, gzip.BadGzipFile, pa.ArrowException, ValueError) as error:
        raise _damage_error(path, compression, done, error) from error
    except OSError as error:
        # pyarrow reports broken zstd frames as OSError without an errno, as bz2 does its streams.
        if error.errno is None:
            raise _damage_error(path, compression, done, error) from error
        raise unreadable(path, error) from error


def _open_gzip(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb"))


def _open_zstd(path: Path) -> IO[bytes]:
    import pyarrow as pa

    stream: IO[bytes] = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return stream


def _open_zip(path: Path) -> IO[bytes]:
    return open_table(path, find_table(path))


def _open_bzip2(path: Path) -> IO[bytes]:
    return cast(IO[bytes], bz2.open(path, "rb"))


def _open_xz(path: Path) -> IO[bytes]:
    return cast(IO[bytes], lzma.open(path, "rb"))


_OPENERS: Final[dict[str, Callable[[Path], IO[bytes]]]] = {
    "gzip": _open_gzip, "zstd": _open_zstd, "zip": _open_zip, "bzip2": _open_bzip2, "xz": _open_xz
}  # fmt: skip


def _damage_error(path: Path, compression: str, done: int, error: Exception) -> InputError:
    return InputError(
        f"{path} is a damaged or truncated {compression} file: readable up to byte {done} of its content ({error})",
        hint="fetch or make the file again",
    )


def _transcode(path: Path, plain: Path, encoding: str, scratch: Path) -> Path:
    target = scratch / f"{len(list(scratch.iterdir()))}-utf8-{plain.name}"
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError as error:
        raise InputError(
            f"encoding {encoding!r} is unknown", hint=f"try {option('encoding', 'utf-8')} or latin-1"
        ) from error
    done = 0
    with open(target, "wb") as file:
        try:
            before = "\n"
            for chunk in _chunks(plain):
                text = before + decoder.decode(chunk)
                before = text[-1]
                file.write((_MARKS.sub("", text) if "\ufeff" in text else text)[1:].encode())
                done += len(chunk)
            file.write(decoder.decode(b"", final=True).encode())
        except UnicodeError as error:
            raise InputError(
                f"{path} is not {encoding} text near byte {done}: {error}",
                hint="leave the encoding out to have it found, or name another",
            ) from error
    return target


def _end_lines(decoded: Decoded, scratch: Path) -> Decoded:
    """Return the file itself, or a copy with line feeds where its lines end in a mere carriage return."""
    head = _head(decoded.plain, CHUNK_BYTES)
    if b"\n" in head or b"\r" not in head:
        return decoded
    target = scratch / f"{len(list(scratch.iterdir()))}-lines-{decoded.path.name}"
    with open(target, "wb") as file:
        for chunk in _chunks(decoded.plain):
            file.write(chunk.replace(b"\r", b"\n"))
    return replace(decoded, plain=target)


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


def _count_rows(plain: Path, container: str) -> int:
    """Return the rows that a Parquet or Arrow file says it has, without reading them; 0 where it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import ipc

    try:
        if container == "parquet":
            return int(pq.read_metadata(plain).num_rows)
        with pa.memory_map(str(plain)) as source:
            reader = ipc.open_file(source)
            return sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))
    except (pa.ArrowException, OSError, ValueError):
        return 0  # whoever reads it says what is wrong with it
