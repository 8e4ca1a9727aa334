"""`adrec encode`: what is known of a data set's items, as vectors."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.artifacts.lock import AT_ONCE, Waiting, exclusive
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.content.encoding import EncodeResult, encode_locked
from adrec_cli.content.options import EncodeOptions

_DEFAULT = EncodeOptions()


def encode(
    dataset: str | None = None, *, workspace: Path, options: EncodeOptions = _DEFAULT, waiting: Waiting = AT_ONCE
) -> EncodeResult:
    """Write vectors of a data set's items beside it; the same items and options give the same bytes.

    Args:
        dataset: in the workspace; None takes the only one.
        workspace: folder of all data sets.
        options: which encoders read what.
        waiting: for a run that holds the data set's lock.

    Raises:
        UsageError: an unknown encoder, or one whose extra is not installed.
        InputError: the items say nothing, or a file of vectors does not fit them.
        ArtifactError: the data set is missing or damaged.
        LockedError: another run works on it. StorageError: it cannot be written.
    """
    folder = Workspace(workspace).dataset_folder(dataset)
    with exclusive(folder, "encode", waiting):
        return encode_locked(folder, options)
