"""Files in the safetensors format, written and read as streams, so that no tensor is held twice on the way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from adrec_cli.artifacts.atomic import replacing, storage_error
from adrec_cli.artifacts.tensor_text import damage_error, missing_error
from adrec_cli.errors import ArtifactError

if TYPE_CHECKING:
    import torch

_DTYPES = {
    "U64": ("uint64", 8), "I64": ("int64", 8), "F64": ("float64", 8), "C64": ("complex64", 8), "F32": ("float32", 4),
    "U32": ("uint32", 4), "I32": ("int32", 4), "BF16": ("bfloat16", 2), "F16": ("float16", 2), "U16": ("uint16", 2),
    "I16": ("int16", 2), "I8": ("int8", 1), "U8": ("uint8", 1), "BOOL": ("bool", 1),
}  # fmt: skip
"""PyTorch's name and the bytes of a number by the name in a header, in the order of their tensors in a file, which is
that of the library."""
_CODES = {f"torch.{name}": code for code, (name, _) in _DTYPES.items()}
_ORDER = {name: number for number, name in enumerate(_CODES)}
_FLOATING = ("float64", "float32", "float16", "bfloat16")
_BFLOAT16_EXPONENT = 0x7F80
_ALIGNMENT = 64
"""Bytes; of what PyTorch allocates, so that no product depends on where its numbers came from."""
_CONTENT_KEY = "content_sha256"
_LENGTH_BYTES = 8
_CHUNK_BYTES = 2**23
"""Held at once where tensors are only looked at."""

Bytes = npt.NDArray[np.uint8]
Once = Callable[[str, Sequence[int], Callable[[Sequence[Bytes]], str]], tuple[Sequence[Bytes], str] | None]
"""Returns memory that several processes use, and what filling it has returned, or None where there is none to be had.

Called with what is alike for equal content, the sizes of its stretches, and what fills them."""


class Pieces(Protocol):
    """A tensor that comes in pieces, whose rows follow each other; they are asked for once, in the order of names.

    Attributes:
        shape, dtype, nbytes: of the whole.
    """

    shape: torch.Size
    dtype: torch.dtype
    nbytes: int

    def __iter__(self) -> Iterator[torch.Tensor]: ...


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies in a file.

    Attributes:
        dtype: PyTorch's name of the type, such as "float32"; shape: of the tensor.
        begin, end: of its bytes, counted from the file's beginning.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    def describe(self, name: str) -> bytes:
        """Return what the checksum holds besides its bytes."""
        return f"{name} torch.{self.dtype} {self.shape}".encode()


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor | Pieces], text: Mapping[str, str]) -> None:
    """Write tensors and text atomically, with a checksum of both; equal content gives equal bytes.

    Of tensors on another device or not contiguous, one at a time is copied; of those in pieces, one piece is.

    Raises:
        StorageError: the file system refused.
    """
    import torch

    # The checksum is known last and as long as any other.
    begins, header_bytes = _layout(tensors, {**text, _CONTENT_KEY: "0" * 64})
    digest = _text_digest(text)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        for name, tensor in sorted(tensors.items()):
            begin = len(header_bytes) + begins[name]
            dtype = str(tensor.dtype).removeprefix("torch.")
            stored = Stored(dtype, tuple(tensor.shape), begin, begin + tensor.nbytes)
            digest.update(stored.describe(name))
            file.seek(stored.begin)
            for piece in [tensor] if isinstance(tensor, torch.Tensor) else tensor:
                content = _bytes_of(piece.detach().cpu().contiguous())
                digest.update(content)
                file.write(content)
        file.seek(0)
        file.write(_layout(tensors, {**text, _CONTENT_KEY: digest.hexdigest()})[1])


def _layout(tensors: Mapping[str, torch.Tensor | Pieces], text: Mapping[str, str]) -> tuple[dict[str, int], bytes]:
    """Return where each tensor begins behind the header, and the header with its length before it."""
    header: dict[str, object] = {"__metadata__": dict(sorted(text.items()))}
    begins, end = {}, 0
    for name, tensor in sorted(tensors.items(), key=lambda entry: (_ORDER[str(entry[1].dtype)], entry[0])):
        begins[name], end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _CODES[str(tensor.dtype)], "shape": list(tensor.shape), "data_offsets": [begins[name], end],
        }  # fmt: skip
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)
    return begins, struct.pack("<Q", len(encoded)) + encoded


class StoredTensors(Mapping[str, "torch.Tensor"]):
    """What was read of a file, whose tensors are made where they are looked up: only that needs PyTorch."""

    def __init__(self, content: Mapping[str, Bytes], stored: Mapping[str, Stored]) -> None:
        self._content, self._stored = content, stored
        self._made: dict[str, torch.Tensor] = {}

    def __getitem__(self, name: str) -> torch.Tensor:
        import torch

        if name not in self._made:
            values, stored = torch.from_numpy(self._content[name]), self._stored[name]
            self._made[name] = values.view(getattr(torch, stored.dtype)).reshape(stored.shape)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def not_finite(self) -> list[str]:
        """Return the names of tensors with a value that is NaN or infinite."""
        return [name for name, values in self._content.items() if not _all_finite(values, self._stored[name].dtype)]


class TensorFile:
    """An open file of tensors, whose header has been checked."""

    def __init__(self, path: Path, file: IO[bytes], text: Mapping[str, str], stored: Mapping[str, Stored]) -> None:
        self.path, self._file = path, file
        self.text = {name: value for name, value in text.items() if name != _CONTENT_KEY}
        self.stored = stored
        self._checksum = text.get(_CONTENT_KEY, "")
        self._header_end = min((one.begin for one in stored.values()), default=os.fstat(file.fileno()).st_size)

    def load(self, *, sha256: str | None = None, once: Once | None = None) -> tuple[StoredTensors, str]:
        """Read all tensors into memory which a later change of the file does not reach.

        Args:
            sha256: that the whole file must have; with it the checksum within says nothing more, and is left out.
            once: gives memory that other processes may have read the same file into; None for one's own.

        Returns:
            tensors by name, and the SHA-256 of the whole file.

        Raises:
            ArtifactError: the content is not what its checksum says.
        """
        names = sorted(self.stored)
        sizes = [self.stored[name].end - self.stored[name].begin for name in names]
        found = None if once is None else once(self._identify(), sizes, lambda content: self._read(content, sha256))
        if found is None:
            own = [_allocate(size) for size in sizes]
            found = own, self._read(own, sha256)
        content, whole = found
        if sha256 is not None:
            self._require(whole, sha256)
        return StoredTensors(dict(zip(names, content, strict=True)), self.stored), whole

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
                values = np.frombuffer(chunk, dtype=np.uint8)
                if finite and name not in not_finite and not _all_finite(values, stored.dtype):
                    not_finite.append(name)
        self._require(digest.hexdigest(), self._checksum)
        for name in not_finite:
            raise not_finite_error(self.path, name)

    def _identify(self) -> str:
        """Return what another file, or this one once it was changed, has otherwise."""
        told = os.fstat(self._file.fileno())
        return f"{told.st_dev}-{told.st_ino}-{told.st_size}-{told.st_mtime_ns}"

    def _read(self, content: Sequence[Bytes], sha256: str | None) -> str:
        """Read all tensors, in the order of their names, and return the SHA-256 of the whole file; both as `load`."""
        by_name = dict(zip(sorted(self.stored), content, strict=True))
        for name, values in by_name.items():
            self._fill(values.data, self.stored[name].begin)
        self._file.seek(0)
        whole = hashlib.sha256(self._file.read(self._header_end))
        for name in sorted(by_name, key=lambda name: self.stored[name].begin):
            whole.update(by_name[name].data)
        if sha256 is None:
            digest = _text_digest(self.text)
            for name, values in by_name.items():
                digest.update(self.stored[name].describe(name))
                digest.update(values.data)
            self._require(digest.hexdigest(), self._checksum)
        return whole.hexdigest()

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
        raise missing_error(path)
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
    except FileNotFoundError as error:
        raise missing_error(path) from error
    except OSError as error:
        raise storage_error("read", path, error) from error


def not_finite_error(path: Path, name: str) -> ArtifactError:
    """Return the error of a tensor that nothing can be computed with."""
    return ArtifactError(f"{path}: tensor {name} has values that are not finite", hint="train it again")


def _check_by_library(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return text and names of a file; the tensors are only mapped, not read."""
    with safe_open(path, framework="np") as file:
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
        torch_name, itemsize = _DTYPES[dtype]
        stored[name] = Stored(torch_name, tuple(shape), first + begin, first + end)
        if end - begin != prod(shape) * itemsize or not first <= first + begin <= first + end <= size:
            raise ValueError(f"tensor {name[:100]!r} lies outside the file")
    return stored


def _text_digest(text: Mapping[str, str]) -> hashlib._Hash:
    return hashlib.sha256(json.dumps(dict(sorted(text.items()))).encode())


def _allocate(size: int) -> Bytes:
    """Return bytes that begin where PyTorch's would."""
    whole = np.empty(size + _ALIGNMENT, dtype=np.uint8)
    begin = -whole.ctypes.data % _ALIGNMENT
    return whole[begin : begin + size]


def _all_finite(values: Bytes, dtype: str) -> bool:
    """Return whether no number is NaN or infinite; of a type that has neither, none is.

    Args:
        values: bytes of numbers.
        dtype: PyTorch's name of their type.
    """
    if dtype not in _FLOATING or not len(values):
        return True
    if dtype == "bfloat16":
        return not bool((values.view(np.uint16) & _BFLOAT16_EXPONENT == _BFLOAT16_EXPONENT).any())
    numbers = values.view(dtype)
    # Both carry a NaN through, and one of them is infinite if a value is.
    return bool(np.isfinite([numbers.min(), numbers.max()]).all())


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor on the CPU, not copied."""
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().data
