"""Which model is current: a copy that retraining does not touch, named by `current.json`, with those before it."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from adrec_cli.artifacts.atomic import file_identity, file_sha256, replacing, storage_error, write_bytes
from adrec_cli.artifacts.format_version import refuse_newer
from adrec_cli.artifacts.json_files import content_sha256, read_json_object, take_checksum
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import CHECKPOINT_SUFFIX, CURRENT_FILE, FORMAT_VERSION
from adrec_cli.wording import command

PROMOTED_FOLDER = "promoted"
ITEMS_SUFFIX = ".items.parquet"
INDEX_SUFFIX = ".items.index"
KEEP = 5
"""Generations kept by default, the current one included."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """A model that is or was promoted.

    Attributes:
        checkpoint: its file, relative to the model's folder; the items it knows lie beside it.
        sha256: of that file.
        protocol, metric, value: why it was promoted.
        promoted_at: ISO 8601, UTC.
    """

    checkpoint: str
    sha256: str
    protocol: str
    metric: str
    value: float | None
    promoted_at: str = ""


@dataclass(frozen=True, kw_only=True)
class Current(Generation):
    """The promoted model of a model's folder.

    Attributes:
        earlier: generations that can be gone back to, newest first.
        left: generations that were gone back from and whose files are there as long as if they had not been.
        withdrawn: sha256 of models that were gone back from; they are not promoted again.
    """

    earlier: list[Generation] = field(default_factory=list)
    left: list[Generation] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    format_version: int = FORMAT_VERSION


def read_current(folder: Path) -> Current | None:
    """Return what is promoted in a model's folder, None where nothing is.

    Raises:
        ArtifactError: damaged, or of another format version.
        StorageError: unreadable.
    """
    path = folder / CURRENT_FILE
    hint = f"remove it, then {advise_promotion(folder)}"
    try:
        try:
            content = read_json_object(path, hint=hint)
        except ArtifactError:
            if path.exists():
                raise
            return None
        refuse_newer(path, content.get("format_version"))
        if content.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"not of format version {FORMAT_VERSION}")
        if not take_checksum(content, "current_sha256"):
            raise ValueError("its content does not match its own checksum")
        if not isinstance(content.get("earlier"), list) or not isinstance(content.get("withdrawn"), list):
            raise ValueError("earlier and withdrawn are not lists")
        earlier, left = ([Generation(**entry) for entry in content.pop(name, [])] for name in ("earlier", "left"))
        current = Current(**content, earlier=earlier, left=left)
        for generation in (current, *earlier, *left):
            _require_types(generation)
    except OSError as error:
        raise storage_error("read", path, error) from error
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{path} is damaged: {error}", hint=hint) from error
    return current


def find_promoted(folder: Path, *, hint: str = "") -> Current | None:
    """Return what is promoted in a model's folder, None where nothing is; its file was there when this looked.

    Nothing is locked: a run may promote another model meanwhile, and remove the one that was.

    Args:
        folder: of the model.
        hint: what to do where the file is gone.

    Raises:
        ArtifactError: `current.json` names a file that is not there, or is damaged.
        StorageError: unreadable.
    """
    while True:
        # By the file rather than its content, which may have changed twice and be what it was.
        identity = file_identity(folder / CURRENT_FILE)
        current = read_current(folder)
        if current is None or (folder / current.checkpoint).is_file():
            return current
        if file_identity(folder / CURRENT_FILE) == identity:
            raise ArtifactError(f"{folder / CURRENT_FILE} names {current.checkpoint}, which does not exist", hint=hint)


def advise_promotion(folder: Path) -> str:
    """Return what is to be typed where what is promoted in a model's folder cannot be used."""
    return f"promote again with: {command('run', folder.parent.name, model=folder.name)}"


def _require_types(generation: Generation) -> None:
    """Refuse a generation that nobody could have written.

    Raises:
        ValueError: naming the field.
    """
    for name in ("checkpoint", "sha256", "protocol", "metric", "promoted_at"):
        if not isinstance(getattr(generation, name), str):
            raise ValueError(f"{name} is {str(getattr(generation, name))[:40]!r}")
    if generation.value is not None and type(generation.value) not in (int, float):
        raise ValueError(f"value is {str(generation.value)[:40]!r}")
    inside = Path(generation.checkpoint)
    outside = inside.is_absolute() or ".." in inside.parts or "\0" in generation.checkpoint
    if outside or inside.suffix != CHECKPOINT_SUFFIX:
        raise ValueError(f"checkpoint {generation.checkpoint[:100]!r} is not a file of this folder")


def items_beside(checkpoint: Path) -> Path:
    """Return where the items that a promoted checkpoint knows lie."""
    return checkpoint.with_name(checkpoint.name.removesuffix(CHECKPOINT_SUFFIX) + ITEMS_SUFFIX)


def index_beside(checkpoint: Path) -> Path:
    """Return where the index of a promoted checkpoint lies."""
    return checkpoint.with_name(checkpoint.name.removesuffix(CHECKPOINT_SUFFIX) + INDEX_SUFFIX)


def files_of(checkpoint: Path) -> tuple[Path, Path, Path]:
    """Return the files of a promoted model: the checkpoint, the items it knows, and their index where there is one."""
    return checkpoint, items_beside(checkpoint), index_beside(checkpoint)


def _copy_of(sha256: str) -> Path:
    """Return where the copy of a promoted checkpoint lies, relative to the model's folder."""
    return Path(PROMOTED_FOLDER) / f"{sha256[:16]}{CHECKPOINT_SUFFIX}"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is to be promoted, and why.

    Attributes:
        checkpoint, sha256: to copy.
        items, items_sha256: the `items.parquet` it was trained with, so that it can be used when that one has changed.
        protocol, metric, value: what speaks for it; None where that metric was not measured.
    """

    checkpoint: Path
    sha256: str
    items: Path
    items_sha256: str
    protocol: str
    metric: str
    value: float | None


def promote(folder: Path, candidate: Candidate, *, keep: int = KEEP) -> Current:
    """Make a copy of a checkpoint and of its items current; `current.json` changes last and at once.

    Args:
        folder: of the model.
        candidate: to promote.
        keep: generations that stay, this one included.

    Raises:
        ArtifactError: the checkpoint is no longer what was judged, or the items not those it was trained with.
        StorageError: the file system refused; what was current still is.
    """
    new = _copy_in(folder, candidate)
    before = read_current(folder)
    current = Current(**asdict(new)) if before is None else _follow(before, new, keep)
    _write(folder, current)
    if before is not None:
        _remove_dropped(folder, before, current)
    return current


def _copy_in(folder: Path, candidate: Candidate) -> Generation:
    relative = _copy_of(candidate.sha256)
    copies = {
        items_beside(folder / relative): (candidate.items, candidate.items_sha256),
        folder / relative: (candidate.checkpoint, candidate.sha256),
    }
    for copy, (source, sha256) in copies.items():
        with replacing(copy) as temporary:
            shutil.copyfile(source, temporary)
            if file_sha256(temporary) != sha256:
                raise ArtifactError(
                    f"{source} changed while {candidate.checkpoint.name} was promoted, or its copy is damaged",
                    hint="run the same command again",
                )
    return Generation(
        checkpoint=str(relative),
        sha256=candidate.sha256,
        protocol=candidate.protocol,
        metric=candidate.metric,
        value=candidate.value,
        promoted_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _follow(before: Current, new: Generation, keep: int) -> Current:
    """Return what is current once a generation takes the place of the one before."""
    earlier = [one for one in (_generation(before), *before.earlier) if one.sha256 != new.sha256][: keep - 1]
    return Current(
        **asdict(new),
        earlier=earlier,
        left=[one for one in before.left if one.sha256 != new.sha256 and _stays(one, earlier, keep)],
        withdrawn=[other for other in before.withdrawn if other != new.sha256],
    )


def _stays(left: Generation, earlier: list[Generation], keep: int) -> bool:
    """Whether a generation that was gone back from would still be among those kept, behind the new one.

    The new one is newer, whatever the clock says.
    """
    return 1 + sum(other.promoted_at > left.promoted_at for other in earlier) < keep


def withdraw(folder: Path) -> Current:
    """Make the generation before the current one current; the current one is not promoted again.

    Raises:
        ArtifactError: nothing is promoted, or nothing came before, or its file is gone.
        StorageError: the file system refused; what was current still is.
    """
    current = read_current(folder)
    if current is None:
        raise ArtifactError(f"nothing is promoted in {folder}", hint=advise_promotion(folder))
    if not current.earlier:
        raise ArtifactError(
            f"{current.checkpoint} is the only generation in {folder}",
            hint="the next promotion leaves it to go back to; keep more of them with: "
            + command("run", folder.parent.name, model=folder.name, keep="N"),
        )
    before, *earlier = current.earlier
    if not (folder / before.checkpoint).is_file():
        raise ArtifactError(
            f"{folder / before.checkpoint} does not exist",
            hint=f"train again: {command('run', folder.parent.name, model=folder.name, force=True)}",
        )
    restored = Current(
        **asdict(before),
        earlier=earlier,
        left=[_generation(current), *current.left],
        withdrawn=[*current.withdrawn, current.sha256],
    )
    _write(folder, restored)
    return restored


def _generation(current: Current) -> Generation:
    return Generation(**{name: getattr(current, name) for name in Generation.__dataclass_fields__})


def _write(folder: Path, current: Current) -> None:
    content = asdict(current)
    content["current_sha256"] = content_sha256(content)
    write_bytes(folder / CURRENT_FILE, (json.dumps(content, indent=2) + "\n").encode())


def _remove_dropped(folder: Path, before: Current, current: Current) -> None:
    """Remove copies of generations that are kept no longer, and nothing else.

    What cannot be removed stays and harms nobody.
    """
    kept = {generation.checkpoint for generation in (current, *current.earlier, *current.left)}
    named = {generation.checkpoint for generation in (before, *before.earlier, *before.left)}
    named |= {str(_copy_of(sha256)) for sha256 in before.withdrawn}
    for checkpoint in named - kept:
        if Path(checkpoint).parent == Path(PROMOTED_FOLDER):
            for path in files_of(folder / checkpoint):
                with contextlib.suppress(OSError):
                    path.unlink()
