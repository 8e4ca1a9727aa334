"""The trials of a search as JSON lines: what was tried, how it went epoch by epoch, and how good it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import storage_error, write_bytes
from adrec_cli.artifacts.json_files import content_sha256, take_checksum
from adrec_cli.errors import ArtifactError

_CHECKSUM = "trial_sha256"
DONE, PRUNED, DIVERGED, IMPOSSIBLE = "done", "pruned", "diverged", "impossible"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One configuration that was tried.

    Attributes:
        number: from 1.
        chosen: value of each searched key.
        state: "done"; "pruned", when it was clearly worse than others by then; "diverged"; or "impossible", when the
            options do not go together.
        value: the monitored metric of the weights kept; of a pruned trial, the best until then; None without any.
        epochs: the metric by number of epochs over all stages, as pruning compares it.
        seconds: its epochs took, shared stages included.
        checkpoint_sha256: of the last stage, or "".
        error: why it diverged or is impossible.
    """

    number: int
    chosen: dict[str, Any]
    state: str
    value: float | None
    epochs: dict[int, float]
    seconds: float
    checkpoint_sha256: str = ""
    error: str = ""


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the best of the trials that are done, the earliest of several; None where none is."""
    done = [trial for trial in trials if trial.state == DONE and trial.value is not None]
    return max(done, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)


def read_trials(path: Path) -> list[Trial]:
    """Read the trials of an earlier run; none where there is no file.

    Raises:
        ArtifactError: damaged.
        StorageError: unreadable.
    """
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error("read", path, error) from error
    except UnicodeDecodeError as error:
        raise _damage_error(path) from error
    trials = []
    for number, line in enumerate(lines, start=1):
        try:
            content = json.loads(line)
            if not take_checksum(content, _CHECKSUM):
                raise ValueError(f"line {number} does not match its own checksum")
            trial = Trial(**content)
            epochs = {int(step): float(value) for step, value in trial.epochs.items()}
            if trial.number != number:
                raise ValueError(f"trial {trial.number} in line {number}")
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise _damage_error(path) from error
        trials.append(Trial(**{**asdict(trial), "epochs": epochs}))
    return trials


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """Write all trials, one per line, atomically.

    Raises:
        StorageError: the file system refused.
    """
    write_bytes(path, "".join(f"{_line(trial)}\n" for trial in trials).encode())


def _line(trial: Trial) -> str:
    # Read back first: JSON knows no numbers as keys.
    content = json.loads(json.dumps(asdict(trial), allow_nan=False))
    content[_CHECKSUM] = content_sha256(content)
    return json.dumps(content)


def _damage_error(path: Path) -> ArtifactError:
    return ArtifactError(f"{path} is damaged", hint="remove it, and search again")
