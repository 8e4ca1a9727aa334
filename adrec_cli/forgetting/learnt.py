"""Which models have learned from users who left."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.below import find_below
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata, read_metadata
from adrec_cli.artifacts.promotion import PROMOTED_FOLDER
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import CHECKPOINT_SUFFIX, SEED_FOLDER, STATE_SUFFIX, SWEEPS_FOLDER


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """A model that has learned from users who left, or may have.

    Attributes:
        path: of its checkpoint.
        model, stage: what it is.
        certain: False where data that it was trained on, or what it started from, are not known any longer.
    """

    path: Path
    model: str
    stage: str
    certain: bool

    @property
    def apart(self) -> bool:
        """Whether it is of a further seed or of a sweep: nobody is recommended to by it, and none is trained again."""
        return is_apart(self.path)


def is_apart(checkpoint: Path) -> bool:
    """Return whether a checkpoint of a data set's folder is one of a further seed, or of a sweep."""
    inner = checkpoint.parent.name
    return inner.startswith(SEED_FOLDER) or (inner != PROMOTED_FOLDER and SWEEPS_FOLDER in checkpoint.parts[-5:-4])


def find_learnt(dataset_folder: Path, held: Set[str], clean: Set[str]) -> list[Learnt]:
    """Return the checkpoints in a data set's folder that have learnt, or may have, in the order of their paths.

    Args:
        dataset_folder: with all models, seeds, promoted copies and sweeps.
        held: sha256 of sequences that held the users.
        clean: sha256 of sequences that did not.
    """
    known: dict[Path, CheckpointMetadata] = {}
    for path in find_below(dataset_folder, f"*{CHECKPOINT_SUFFIX}"):
        if not path.name.endswith(STATE_SUFFIX):
            try:
                known[path] = read_metadata(path)
            except ArtifactError:
                continue
    certain = {path for path, said in known.items() if said.all_sequences & held}
    hashes = {file_sha256(path): path for path in known}
    while True:
        # A model that started from one that has learned goes on with what that one knew; earlier versions of adrec did
        # not record what that one had learned from.
        heirs = {path for path, said in known.items() if hashes.get(said.parent_sha256) in certain} - certain
        if not heirs:
            break
        certain |= heirs
    return [
        Learnt(path=path, model=said.model, stage=said.stage, certain=path in certain)
        for path, said in known.items()
        if path in certain or not said.all_sequences <= clean
    ]
