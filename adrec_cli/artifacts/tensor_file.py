"""Files in the safetensors format, written and read as streams, so that no tensor is held twice on the way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO

import torch
from safetensors import SafetensorError, safe_open

from adrec_cli.artifacts.atomic import replacing, storage_error
from adrec_cli.artifacts.tensor_text import damage_error
from adrec_cli.diagnostics.finite import all_finite
from adrec_cli.errors import ArtifactError

_DTYPES = {
    "U64": torch.uint64, "I64": torch.int64, "F64": torch.float64, "C64": torch.complex64, "F32": torch.float32,
    "U32": torch.uint32, "I32": torch.int32, "BF16": torch.bfloat16, "F16": torch.float16, "U16": torch.uint16,
    "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
"""Types by the name in a header, in the order of their tensors in a file, which is that of the library."""
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_ORDER = {dtype: number for number, dtype in enumerate(_DTYPES.values())}
_CONTENT_KEY = "content_sha256"
_LENGTH_BYTES = 8
_CHUNK_BYTES = 2**23
"""Held at once where tensors are only looked at."""


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies in a file.

    Attributes:
        dtype, shape: of the tensor.
        begin, end: of its bytes, counted from the file's beginning.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int

    def describe(self, name: str) -> bytes:
        """Return what the checksum holds besides its bytes."""
        return f"{name} {self.dtype} {self.shape}".encode()


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], text: Mapping[str, str]) -> None:
    """Write tensors and text atomically, with a checksum of both; equal content gives equal bytes.

    Of tensors on another device or not contiguous, one at a time is copied.

    Raises:
        StorageError: the file system refused.
    """
    # The checksum is known last and as long as any other.
    begins, header_bytes = _layout(tensors, {**text, _CONTENT_KEY: "0" * 64})
    digest = _text_digest(text)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        for name, tensor in sorted(tensors.items()):
            whole = tensor.detach().cpu().contiguous()
            begin = len(header_bytes) + begins[name]
            stored = Stored(whole.dtype, tuple(whole.shape), begin, begin + whole.nbytes)
            content = _bytes_of(whole)
            digest.update(stored.describe(name))
            digest.update(content)
            file.seek(stored.begin)
            file.write(content)
        file.seek(0)
        file.write(_layout(tensors, {**text, _CONTENT_KEY: digest.hexdigest()})[1])


def _layout(tensors: Mapping[str, torch.Tensor], text: Mapping[str, str]) -> tuple[dict[str, int], bytes]:
    """Return where each tensor begins behind the header, and the header with its length before it."""
    header: dict[str, object] = {"__metadata__": dict(sorted(text.items()))}
    begins, end = {}, 0
    for name, tensor in sorted(tensors.items(), key=lambda entry: (_ORDER[entry[1].dtype], entry[0])):
        begins[name], end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begins[name], end],
        }  # fmt: skip
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)
    return begins, struct.pack("<Q", len(encoded)) + encoded


class TensorFile:
    """An open file of tensors, whose header has been checked."""

    def __init__(self, path: Path, file: IO[bytes], text: Mapping[str, str], stored: Mapping[str, Stored]) -> None:
        self.path, self._file = path, file
        self.text = {name: value for name, value in text.items() if name != _CONTENT_KEY}
        self.stored = stored
        self._checksum = text.get(_CONTENT_KEY, "")
        self._header_end = min((one.begin for one in stored.values()), default=os.fstat(file.fileno()).st_size)

    def load(self, *, sha256: str | None = None) -> tuple[dict[str, torch.Tensor], str]:
        """Read all tensors into memory of their own, which a later change of the file does not reach.

        Args:
            sha256: that the whole file must have; with it the checksum within says nothing more, and is left out.

        Returns:
            tensors by name, and the SHA-256 of the whole file.

        Raises:
            ArtifactError: the content is not what its checksum says.
        """
        tensors = {name: self._read(stored) for name, stored in sorted(self.stored.items())}
        self._file.seek(0)
        whole = hashlib.sha256(self._file.read(self._header_end))
        for name in sorted(tensors, key=lambda name: self.stored[name].begin):
            whole.update(_bytes_of(tensors[name]))
        if sha256 is None:
            digest = _text_digest(self.text)
            for name, tensor in tensors.items():
                digest.update(self.stored[name].describe(name))
                digest.update(_bytes_of(tensor))
            self._require(digest.hexdigest(), self._checksum)
        else:
            self._require(whole.hexdigest(), sha256)
        return tensors, whole.hexdigest()

    def verify(self, *, finite: bool) -> None:
        """Check the content against its checksum, some megabytes at a time.

        Args:
            finite: also that all floating-point values are.

        Raises:
            ArtifactError: naming what is wrong.
        """
        digest = _text_digest(self.text)
        not_finite = []
        for name, stored in sorted(self.stored.items()):
            digest.update(stored.describe(name))
            for chunk in self._chunks(stored):
                digest.update(chunk)
                if finite and name not in not_finite and not all_finite(torch.frombuffer(chunk, dtype=stored.dtype)):
                    not_finite.append(name)
        self._require(digest.hexdigest(), self._checksum)
        for name in not_finite:
            raise not_finite_error(self.path, name)

    def _read(self, stored: Stored) -> torch.Tensor:
        tensor = torch.empty(stored.shape, dtype=stored.dtype)
        self._fill(_bytes_of(tensor), stored.begin)
        return tensor

    def _chunks(self, stored: Stored) -> Iterator[memoryview]:
        buffer = memoryview(bytearray(min(_CHUNK_BYTES, stored.end - stored.begin)))
        for begin in range(stored.begin, stored.end, _CHUNK_BYTES):
            chunk = buffer[: min(_CHUNK_BYTES, stored.end - begin)]
            self._fill(chunk, begin)
            yield chunk

    def _fill(self, content: memoryview, begin: int) -> None:
        self._file.seek(begin)
        if self._file.readinto(content) != len(content):  # type: ignore[attr-defined]
            raise damage_error(self.path, "it became shorter while it was read")

    def _require(self, found: str, expected: str) -> None:
        if found != expected:
            raise damage_error(self.path, "its content does not match its own checksum")


@contextlib.contextmanager
def open_tensors(path: Path) -> Iterator[TensorFile]:
    """Open a safetensors file and check its header; every way of not being one becomes an `ArtifactError`.

    Raises:
        ArtifactError: missing or damaged.
        StorageError: unreadable.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} does not exist", hint="train it first, or check the name")
    try:
        while True:
            with open(path, "rb") as file:
                text, names = _check_by_library(path)
                if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    # Another took its place in between.
                    continue
                yield TensorFile(path, file, text, _locate_tensors(file, names))
                return
    except (SafetensorError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError, KeyError) as error:
        raise damage_error(path, str(error).split("\n")[0]) from error
    except OSError as error:
        raise storage_error("read", path, error) from error


def not_finite_error(path: Path, name: str) -> ArtifactError:
    """Return the error of a tensor that nothing can be computed with."""
    return ArtifactError(f"{path}: tensor {name} has values that are not finite", hint="train it again")


def _check_by_library(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return text and names of a file; the tensors are only mapped, not read."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {}), list(file.keys())


def _locate_tensors(file: IO[bytes], names: list[str]) -> dict[str, Stored]:
    """Return where the tensors lie.

    Raises:
        ValueError: the header is another than the one that was checked.
    """
    size = os.fstat(file.fileno()).st_size
    (length,) = struct.unpack("<Q", file.read(_LENGTH_BYTES))
    header = json.loads(file.read(min(length, size)))
    first, stored = _LENGTH_BYTES + length, {}
    for name in names:
        dtype, shape, (begin, end) = (header[name][key] for key in ("dtype", "shape", "data_offsets"))
        if dtype not in _DTYPES:
            raise ValueError(f"tensor {name[:100]!r} is of type {dtype}")
        stored[name] = Stored(_DTYPES[dtype], tuple(shape), first + begin, first + end)
        if end - begin != prod(shape) * _DTYPES[dtype].itemsize or not first <= first + begin <= first + end <= size:
            raise ValueError(f"tensor {name[:100]!r} lies outside the file")
    return stored


def _text_digest(text: Mapping[str, str]) -> hashlib._Hash:
    return hashlib.sha256(json.dumps(dict(sorted(text.items()))).encode())


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor on the CPU, not copied."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data
