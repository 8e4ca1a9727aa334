"""Where a batch of recommendations goes: stdout, a file, or a folder with a file for each stretch of users."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.outputs import STDOUT, require_free_output, require_no_source
from adrec_cli.artifacts.recommendation_file import format_of
from adrec_cli.data.shards import WHOLE, Shard
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

_KINDS = ("user", "item", "candidate")
_LONGEST_ENTRY = 1_000_000
_TEMPORARY = re.compile(r"\.part-.+\.\d+\.tmp")
_PART = re.compile(r"part-(\d{6,})\.(parquet|jsonl|csv)")


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where to, and how it is written.

    Attributes:
        path: of the file or folder; `-` is stdout.
        format: one of `FORMATS`.
        is_folder: each stretch of users has a file of its own in it.
        shard: of the users, that is written; several write into one folder.
    """

    path: Path
    format: str
    is_folder: bool = False
    shard: Shard = WHOLE

    @classmethod
    def of(cls, out: Path, format: str | None, shard: Shard) -> Destination:
        """Return the destination that somebody names.

        Args:
            out: a folder is one that is there, or a name without an ending where no format is given.
            format: None takes what the name ends in, JSON lines for stdout and Parquet for a folder.
            shard: other than all users only into a folder.

        Raises:
            UsageError: the format is not known.
        """
        if out == STDOUT:
            if shard != WHOLE:
                raise UsageError(
                    "a shard is written into a folder, not to stdout", hint=f"name one with {option('out', 'recs/')}"
                )
            return cls(path=out, format=format_of(out, format or "jsonl"))
        if out.is_dir() or shard != WHOLE or not (out.suffix or format):
            return cls(path=out, format=format_of(out, format or "parquet"), is_folder=True, shard=shard)
        return cls(path=out, format=format_of(out, format))

    @property
    def is_stdout(self) -> bool:
        """Whether it is not a file."""
        return self.path == STDOUT

    @property
    def unfinished(self) -> Path:
        """The path beside which its unfinished parts lie."""
        return self._beside("")

    @property
    def unknown(self) -> Path:
        """Where who and what is unknown is listed."""
        return self._beside(".unknown.jsonl")

    def file(self, number: int) -> Path:
        """Return the file of a stretch of users; a file has one only."""
        return self.path / f"part-{number:06}.{self.format}" if self.is_folder else self.path

    def require_free(self, inputs: Iterable[Path | None]) -> None:
        """Refuse to write over an artifact, an input, or in place of a file that is not part of a batch.

        Args:
            inputs: files that are read.

        Raises:
            UsageError: naming what is in the way.
        """
        inputs = list(inputs)
        for path in (self.file(self.shard.number), self.unknown):
            require_free_output(path, inputs=inputs)
        if self.unknown.exists() and not _is_list_of_unknown(self.unknown):
            raise UsageError(
                f"{self.unknown} exists already, and unknown users and items would be listed there",
                hint="give the name of another file",
            )
        if self.is_folder and self.path.exists():
            self._require_own_folder()

    def require_no_source(self, sources: Iterable[Mapping[str, Any]]) -> None:
        """Refuse to write over what the data set was made from.

        Args:
            sources: as its manifest has them.

        Raises:
            UsageError: naming the source.
        """
        for path in (self.file(self.shard.number), self.unknown):
            require_no_source(path, sources)

    def stale(self, files: Collection[Path]) -> list[Path]:
        """Return what a former batch has left in the folder: files of this shard that are none of these."""
        if not self.is_folder or not self.path.is_dir():
            return []
        names = sorted(path.name for path in self.path.iterdir())
        return [self.path / name for name in self.stale_names(names, {path.name for path in files})]

    def stale_names(self, names: Iterable[str], kept: Collection[str]) -> list[str]:
        """Return which names are of files of this shard and none that is kept."""
        named = ((name, _PART.fullmatch(name)) for name in names)
        own = (name for name, part in named if part and int(part[1]) % self.shard.count == self.shard.number)
        return [name for name in own if name not in kept]

    def require_own_names(self, names: Iterable[str], shown: str) -> None:
        """Refuse a folder in which something lies that is not part of a batch.

        Args:
            names: of what lies in it.
            shown: the folder, for the message.

        Raises:
            UsageError: naming the first of it.
        """
        if foreign := [name for name in names if not (_PART.fullmatch(name) or _TEMPORARY.fullmatch(name))]:
            raise UsageError(
                f"{shown} holds {foreign[0]}, which is not part of a batch", hint="give the name of another folder"
            )

    def _require_own_folder(self) -> None:
        if not self.path.is_dir():
            raise UsageError(f"{self.path} is a file, not a folder", hint="give the name of another folder")
        self.require_own_names(sorted(path.name for path in self.path.iterdir()), str(self.path))

    def _beside(self, ending: str) -> Path:
        share = "" if self.shard == WHOLE else f".{self.shard.number}-of-{self.shard.count}"
        stem = self.path.name if self.is_folder or not ending else self.path.stem
        return self.path.with_name(f"{stem}{share}{ending}")


def _is_list_of_unknown(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8") as file:
            first = json.loads(file.readline(_LONGEST_ENTRY) or "{}")
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and first.get("kind") in _KINDS and "id" in first
