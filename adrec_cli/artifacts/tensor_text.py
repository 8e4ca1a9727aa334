"""The text in the header of a safetensors file, read without its tensors and without PyTorch."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.errors import ArtifactError
from adrec_cli.wording import command

_LENGTH_BYTES = 8
_MOST_HEADER = 100_000_000
"""Bytes of a header; the format allows no more."""
_PICKLED = (".pth", ".pt", ".ckpt", ".pkl")
"""Endings of what `torch.save` writes, as the official ADRec code does."""


def read_text(path: Path) -> dict[str, str]:
    """Read the metadata of a file of tensors; of the tensors, only that the file is as long as they need.

    Raises:
        ArtifactError: missing or damaged.
        StorageError: unreadable.
    """
    if not path.is_file():
        raise missing_error(path)
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(_LENGTH_BYTES))
            if length > _MOST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(file.read(length))
            text = header.pop("__metadata__", {})
            needed = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
            if os.fstat(file.fileno()).st_size != _LENGTH_BYTES + length + needed:
                raise ValueError("it is not as long as its header says")
        if not all(isinstance(value, str) for value in text.values()):
            raise ValueError("its header holds what is not text")
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise damage_error(path, str(error).split("\n")[0]) from error
    except FileNotFoundError as error:
        raise missing_error(path) from error
    except OSError as error:
        raise storage_error("read", path, error) from error
    return dict(text)


def missing_error(path: Path) -> ArtifactError:
    """Return the error of a file that is not there, or not any more."""
    return ArtifactError(f"{path} does not exist", hint="train it first, or check the name")


def damage_error(path: Path, reason: str) -> ArtifactError:
    """Return the error of a file that is not whole, or that never was one of ours."""
    if path.suffix in _PICKLED:
        return ArtifactError(
            f"{path} is a pickle of PyTorch, which can run code when it is read: adrec reads none",
            hint=f"train the model here: {command('train')}",
        )
    return ArtifactError(f"{path} is damaged: {reason}", hint="remove it and run its stage again")
