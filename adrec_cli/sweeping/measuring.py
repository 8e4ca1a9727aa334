"""How good one checkpoint of a sweep is: its metrics under one protocol, each with an interval over users."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import file_sha256, write_bytes
from adrec_cli.artifacts.json_files import content_sha256, read_json_object, take_checksum
from adrec_cli.artifacts.provenance import key_of
from adrec_cli.errors import AdrecError, ArtifactError
from adrec_cli.evaluating.code import measuring_code_sha256
from adrec_cli.evaluating.held_out import make_scorer, prepare_held_out
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.events import OnEvent, ignore
from adrec_cli.loading.opening import Checkpoint, Dataset
from adrec_cli.ranking.bootstrap import bootstrap_interval, per_user
from adrec_cli.ranking.metrics import CUTOFFS, METRICS, compute_metric
from adrec_cli.runtime import resolve_device, set_threads

_CHECKSUM = "measured_sha256"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Metrics of one checkpoint under one protocol.

    Attributes:
        part, protocol: of the ranking.
        checkpoint_sha256: what was ranked with.
        metrics: fractions by name, averaged over users.
        lower, upper: bounds of each metric's 95% interval, a bootstrap over users: what other users might give. How
            much another training would give is another question; several seeds answer it.
        users: ranked for.
        ranks: of the target of each case, in the order of `select_cases`, for paired tests.
        seconds: ranking took.
    """

    part: str
    protocol: str
    checkpoint_sha256: str
    metrics: dict[str, float]
    lower: dict[str, float]
    upper: dict[str, float]
    users: int
    ranks: list[int]
    seconds: float


def measure(dataset: Dataset, checkpoint: Checkpoint, options: EvaluationOptions, on_event: OnEvent) -> Measured:
    """Return how good a checkpoint is, from the file beside it if it was measured so before.

    Args:
        dataset: it was trained on.
        checkpoint: opened, in a sweep's folder.
        options: what to rank and how.
        on_event: called with `RankingProgress`.

    Raises:
        AdrecError: nothing to rank, bad negatives, or a model that gives no finite values.
    """
    key = _key(dataset, checkpoint, options)
    path = checkpoint.path.with_name(f"measured-{options.part}-{key[:12]}.json")
    before = _read(path, key)
    if before is not None:
        return before
    result = _rank(dataset, checkpoint, options, on_event)
    told = {"key": key, **asdict(result)}
    told[_CHECKSUM] = content_sha256(told)
    write_bytes(path, (json.dumps(told) + "\n").encode())
    return result


def _key(dataset: Dataset, checkpoint: Checkpoint, options: EvaluationOptions) -> str:
    asked = asdict(dataclasses.replace(options, negatives_file=None))
    for name in ("negatives_file", "device", "threads"):
        del asked[name]
    return key_of(
        {
            "checkpoint": checkpoint.sha256,
            "sequences": dataset.manifest.sequences_sha256,
            "code": measuring_code_sha256(),
            "options": asked,
            "negatives": file_sha256(options.negatives_file) if options.negatives_file else "",
        }
    )


def _read(path: Path, key: str) -> Measured | None:
    try:
        content = read_measured(path)
        return Measured(**content) if content.pop("key") == key else None
    except (AdrecError, KeyError, TypeError):
        return None


def read_measured(path: Path) -> dict[str, Any]:
    """Read what was measured of a checkpoint, and the key of what that depends on.

    Raises:
        ArtifactError: missing or damaged.
        StorageError: unreadable.
    """
    hint = "remove it; it is measured again"
    content = read_json_object(path, hint=hint)
    if not take_checksum(content, _CHECKSUM):
        raise ArtifactError(f"{path} is damaged: its content does not match its own checksum", hint=hint)
    return content


def _rank(dataset: Dataset, checkpoint: Checkpoint, options: EvaluationOptions, on_event: OnEvent) -> Measured:
    set_threads(options.threads)
    asked = prepare_held_out(dataset, options, ignore)
    ranks, seconds = asked.rank(make_scorer(checkpoint, options, resolve_device(options.device)), on_event)
    users = asked.cases.users
    values = {f"{name}@{k}": per_user(compute_metric(name, ranks, k), users) for k in CUTOFFS for name in METRICS}
    intervals = {name: bootstrap_interval(of_users) for name, of_users in values.items()}
    return Measured(
        part=options.part,
        protocol=asked.protocol.code,
        checkpoint_sha256=checkpoint.sha256,
        metrics={name: float(of_users.mean()) for name, of_users in values.items()},
        lower={name: low for name, (low, _) in intervals.items()},
        upper={name: high for name, (_, high) in intervals.items()},
        users=len(next(iter(values.values()))),
        ranks=ranks.tolist(),
        seconds=seconds,
    )
