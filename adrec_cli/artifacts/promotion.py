"""Which model is current: a copy that retraining does not touch, named by `current.json`."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import replacing, storage_error, write_bytes
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import CHECKPOINT_SUFFIX, CURRENT_FILE, FORMAT_VERSION

PROMOTED_FOLDER = "promoted"


@dataclass(frozen=True, kw_only=True)
class Current:
    """The promoted model of a model's folder.

    Attributes:
        checkpoint: its file, relative to the folder.
        sha256: of that file.
        protocol, metric, value: why it was promoted.
    """

    checkpoint: str
    sha256: str
    protocol: str
    metric: str
    value: float | None
    format_version: int = FORMAT_VERSION


def read_current(folder: Path) -> Current | None:
    """Return what is promoted in a model's folder, None where nothing is.

    Raises:
        ArtifactError: damaged, or of another format version.
        StorageError: unreadable.
    """
    path = folder / CURRENT_FILE
    hint = "promote again with: adrec run NAME --force"
    try:
        content: Any = json.loads(path.read_bytes())
        if not isinstance(content, dict) or content.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"not of format version {FORMAT_VERSION}")
        current = Current(**content)
        inside = Path(current.checkpoint)
        if inside.is_absolute() or ".." in inside.parts or inside.suffix != CHECKPOINT_SUFFIX:
            raise ValueError(f"checkpoint {current.checkpoint!r} is not a file of this folder")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error("read", path, error) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: {error}", hint=hint) from error
    return current


def promote(folder: Path, checkpoint: Path, sha256: str, *, protocol: str, metric: str, value: float | None) -> Current:
    """Make a copy of a checkpoint current; `current.json` changes last and at once.

    Raises:
        StorageError: the file system refused; what was current still is.
    """
    relative = Path(PROMOTED_FOLDER) / f"{sha256[:16]}{CHECKPOINT_SUFFIX}"
    with replacing(folder / relative) as temporary:
        shutil.copyfile(checkpoint, temporary)
    current = Current(checkpoint=str(relative), sha256=sha256, protocol=protocol, metric=metric, value=value)
    write_bytes(folder / CURRENT_FILE, (json.dumps(asdict(current), indent=2) + "\n").encode())
    return current
