"""What a stage writes besides its checkpoint: the log of epochs, and the state to resume from."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.atomic import storage_error, write_bytes
from adrec_cli.artifacts.checkpoint import load_state, save_state, verify_state
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import CHECKPOINT_SUFFIX, STATE_SUFFIX
from adrec_cli.training.events import EpochDone, log_row
from adrec_cli.wording import option

if TYPE_CHECKING:
    import torch

    from adrec_cli.training.loop import StageTraining

SAVE_EVERY_SECONDS = 20.0
"""Least time between two saves of the state."""
WORK_PER_SAVE = 20
"""Least time between them, in times of what the last one took: saving takes a twentieth of a training at most."""


class StageFiles:
    """The files a stage writes besides its checkpoint: the log of epochs and the state to resume from.

    Attributes:
        training_id: drawn for a fresh start; that of before where a state is restored.
    """

    def __init__(self, path: Path, key: str) -> None:
        stem = path.name.removesuffix(CHECKPOINT_SUFFIX)
        self.log_path = path.with_name(f"{stem}.jsonl")
        self.state_path = path.with_name(f"{stem}{STATE_SUFFIX}")
        self.key = key
        self.rows: list[str] = []
        self.training_id = uuid.uuid4().hex[:12]
        self.saved_at, self.save_took = time.monotonic(), 0.0

    def restore(self, training: StageTraining, resume: str) -> Mapping[str, torch.Tensor] | None:
        """Continue from a state of the same run, if there is one and it is wanted; return its tensors."""
        if resume == "never" or not self.state_path.exists():
            if resume == "require":
                raise ArtifactError(
                    f"nothing to resume: {self.state_path} does not exist", hint=f"leave out {option('resume')}"
                )
            return None
        tensors, text = load_state(self.state_path)
        if text.get("run_key") != self.key:
            if resume == "require":
                raise ArtifactError(
                    f"{self.state_path} belongs to a run with other data, options or code",
                    hint=f"run with the same options as before, or leave out {option('resume')} to start again",
                )
            return None
        try:
            training.restore(tensors, text)
        except ArtifactError as error:
            raise ArtifactError(f"{self.state_path}: {error.message}", hint=error.hint) from error
        self.rows = text.get("log", "").splitlines()
        self.training_id = text.get("training_id", self.training_id)
        return tensors

    def log(self, event: EpochDone) -> None:
        """Add the row of an epoch; the file is replaced whole, so that it never ends in half a row."""
        self.rows.append(json.dumps(log_row(event)))
        write_bytes(self.log_path, "".join(f"{row}\n" for row in self.rows).encode())

    def save(self, training: StageTraining) -> None:
        """Write the state, unless going on from it could not end well.

        Raises:
            DivergedError: weights are not finite; the state saved before stays.
        """
        from adrec_cli.training.item_blocks import gather_blocks

        started = time.monotonic()
        training.require_finite()
        tensors, text = training.state()
        told = {"run_key": self.key, "training_id": self.training_id, "log": "\n".join(self.rows)}
        with gather_blocks(training.blocks, tensors) as whole:
            save_state(self.state_path, whole, {**text, **told})
        self.saved_at = time.monotonic()
        self.save_took = self.saved_at - started

    def save_now_and_then(self, training: StageTraining) -> None:
        """Write the state when the last one is old enough; between any two steps."""
        if self.is_due():
            self.save(training)

    def is_due(self) -> bool:
        """Return whether the last state that was written is old enough."""
        return time.monotonic() - self.saved_at >= max(SAVE_EVERY_SECONDS, WORK_PER_SAVE * self.save_took)

    def forget(self) -> None:
        """Remove the state if its stage is done: a run may have been killed between the one and the other."""
        if self.state_path.exists():
            with contextlib.suppress(ArtifactError):
                if verify_state(self.state_path).get("run_key") == self.key:
                    self.finish()

    def finish(self) -> None:
        """Remove the state: its stage is done.

        Raises:
            StorageError: the file system refused.
        """
        try:
            self.state_path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error("remove", self.state_path, error) from error
