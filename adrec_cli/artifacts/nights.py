"""What each night of a model was like: `nights.jsonl` beside it, one line per state that a run left."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from adrec_cli.artifacts.atomic import find_sha256, storage_error, write_bytes
from adrec_cli.artifacts.json_files import MAX_JSON_BYTES
from adrec_cli.artifacts.promotion import advise_promotion
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import CURRENT_FILE, NIGHTS_FILE

KEEP_NIGHTS: Final = 400
"""Of more than these the oldest are left out."""
PROMOTED: Final = "promoted"
NOT_PROMOTED: Final = "not promoted"
OUTCOMES: Final = (PROMOTED, NOT_PROMOTED)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How the data of a night differ from those of the night before, and its model from those of the last nights.

    Attributes:
        new_users, new_items: share of the users and items of tonight that were not there before, 0 to 1.
        popularity_shift: Jensen-Shannon divergence, 0 to 1, between the items of the train events that came since and
            those of the events before; None where fewer than `promotion.drift.FEWEST_EVENTS` came.
        expected_shift: what it is on average when as many events are drawn from the popularity before.
        metric_change: the monitored metric less its mean over the last nights, as a share of that; None without any.
        nights: over which that mean is.
    """

    new_users: float
    new_items: float
    popularity_shift: float | None
    expected_shift: float | None
    metric_change: float | None
    nights: int


@dataclass(frozen=True, kw_only=True)
class Night:
    """What a run left.

    Attributes:
        noted_at: ISO 8601, UTC.
        outcome: "promoted" or "not promoted".
        checkpoint_sha256, sequences_sha256: of the model and of the data.
        generation, users, items, interactions: of the data.
        monitor, protocol, value: the metric that training watched; None where nothing is held out for it.
        test_protocol: of `metrics`.
        metrics: name to value and the bounds of its 95% interval, on test.
        rules: of the promotion, each with both models' values, their difference and its bounds.
        drift: against the night before; None for the first one.
    """

    noted_at: str
    outcome: str
    checkpoint_sha256: str
    sequences_sha256: str
    generation: int
    users: int
    items: int
    interactions: int
    monitor: str
    protocol: str
    value: float | None
    test_protocol: str
    metrics: dict[str, list[float]]
    rules: list[dict[str, Any]] = field(default_factory=list)
    drift: Drift | None = None

    def is_of(self, other: Night) -> bool:
        """Whether another one tells of the same model, data and outcome."""
        return all(
            getattr(self, name) == getattr(other, name) for name in ("outcome", "checkpoint_sha256", "sequences_sha256")
        )


def read_nights(folder: Path) -> list[Night]:
    """Return the nights of a model's folder, oldest first; none where nothing was noted.

    Raises:
        ArtifactError: the file is damaged.
        StorageError: unreadable.
    """
    path = folder / NIGHTS_FILE
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_JSON_BYTES + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error("read", path, error) from error
    try:
        if len(raw) > MAX_JSON_BYTES:
            raise ValueError(f"larger than {MAX_JSON_BYTES:,} bytes")
        return [_parse(line) for line in raw.decode().splitlines()]
    except (ValueError, TypeError, RecursionError) as error:
        hint = f"remove {path}: it only tells of nights that are over"
        raise ArtifactError(f"{path} is damaged: {error}", hint=hint) from error


def note_night(folder: Path, night: Night) -> None:
    """Add a night, unless the last one is of the same state; the caller holds the model's lock.

    Raises:
        ArtifactError: the file is damaged; it stays as it is.
        StorageError: the file system refused.
    """
    nights = read_nights(folder)
    if nights and nights[-1].is_of(night):
        return
    kept = [*nights, night][-KEEP_NIGHTS:]
    text = "".join(json.dumps(asdict(one), allow_nan=False, ensure_ascii=False) + "\n" for one in kept)
    write_bytes(folder / NIGHTS_FILE, text.encode())


def require_current_known(folder: Path) -> None:
    """Refuse a model's folder where a run has promoted a model and nothing says any longer which one is current.

    Raises:
        ArtifactError: naming the file that is gone.
        StorageError: unreadable.
    """
    # Nights are noted behind what they promote, and both may go while one looks.
    if _was_promoted(folder) and not (folder / CURRENT_FILE).exists() and _was_promoted(folder):
        raise ArtifactError(
            f"{folder / CURRENT_FILE} is gone, and a run has promoted a model there", hint=advise_promotion(folder)
        )


def _was_promoted(folder: Path) -> bool:
    return any(night.outcome == PROMOTED for night in _read_whole(folder))


def was_refused(checkpoint: Path) -> bool:
    """Whether a run has found that a model, which nothing has promoted, is not to be promoted."""
    refused = {night.checkpoint_sha256 for night in _read_whole(checkpoint.parent) if night.outcome == NOT_PROMOTED}
    return bool(refused) and find_sha256(checkpoint) in refused


def _read_whole(folder: Path) -> list[Night]:
    """Return the nights of a model's folder; none where the file is damaged, as it then tells nothing."""
    try:
        return read_nights(folder)
    except ArtifactError:
        return []


def _parse(line: str) -> Night:
    content = json.loads(line)
    if not isinstance(content, dict):
        raise ValueError("a line is not a JSON object")
    drift = content.pop("drift", None)
    night = Night(**content, drift=None if drift is None else Drift(**drift))
    _require_types(night)
    return night


def _require_types(night: Night) -> None:
    """Refuse what no run could have noted.

    Raises:
        ValueError: naming the field.
    """
    texts = ("noted_at", "checkpoint_sha256", "sequences_sha256", "monitor", "protocol", "test_protocol")
    counts = ("generation", "users", "items", "interactions")
    wrong = [name for name in texts if not isinstance(getattr(night, name), str)]
    wrong += [name for name in counts if type(getattr(night, name)) is not int]
    wrong += ["outcome"] * (night.outcome not in OUTCOMES)
    wrong += ["value"] * (night.value is not None and not _is_number(night.value))
    if not isinstance(night.metrics, dict) or not all(_is_interval(one) for one in night.metrics.values()):
        wrong.append("metrics")
    if not isinstance(night.rules, list) or not all(isinstance(rule, dict) for rule in night.rules):
        wrong.append("rules")
    if night.drift is not None:
        wrong += [name for name, value in asdict(night.drift).items() if value is not None and not _is_number(value)]
    if not wrong:
        datetime.fromisoformat(night.noted_at)
    if wrong:
        raise ValueError(f"{wrong[0]} is not what a run notes")


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _is_interval(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))
