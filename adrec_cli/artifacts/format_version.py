"""What a later adrec wrote is not damaged, and must not be made again over it."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.errors import ArtifactError
from adrec_cli.schema import FORMAT_VERSION


def refuse_newer(path: Path, version: object, *, newest: int = FORMAT_VERSION) -> None:
    """Refuse a file of a later format than this adrec reads, before anything else in it is looked at.

    Args:
        path: of the file.
        version: that it says, a number or its digits; anything else is for others to judge.
        newest: that is read.

    Raises:
        ArtifactError: it is later.
    """
    digits = str(version)
    if isinstance(version, bool) or not digits.isdecimal() or int(digits[:20]) <= newest:
        return
    raise ArtifactError(
        f"{path} has format version {digits[:20]}, of a later adrec; this one reads up to {newest}",
        hint="use the adrec that wrote it; the file is not damaged",
    )
