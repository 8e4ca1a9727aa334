"""Made-up artifacts for reports: what they hold differs from field to field, so that no figure passes for another."""

from __future__ import annotations

from typing import Any

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.ranking.metrics import metric_names
from adrec_cli.reporting.material import StageTold


def an_evaluation(model: str, level: float, **changed: Any) -> Evaluation:
    """Return an evaluation in which every metric has a value of its own, from a level on."""
    metrics = {name: level + number / 1000 for number, name in enumerate(metric_names())}
    told: dict[str, Any] = {
        "dataset": "tiny", "model": model, "stage": "train", "checkpoint": f"{model}/train.safetensors",
        "checkpoint_sha256": f"{model}-sha", "items_sha256": "i", "sequences_sha256": "s", "protocol": "loo/full/test",
        "negatives_source": "", "negatives_sha256": "", "mask_seen": False, "sampling": {}, "seed": 0,
        "metrics": metrics,
        "intervals": {name: [value - 0.0123, value + 0.0234] for name, value in metrics.items()},
        "slices": {}, "beyond_accuracy": {}, "users": 1200, "cases": 2500, "cold_targets": 0, "parameters": 12_345,
        "seconds": 5.0, "device": "cpu", "threads": 1, "adrec_version": "1", "torch_version": "2", "code_sha256": "c",
        "path": f"{model}.json",
    }  # fmt: skip
    return Evaluation(**{**told, **changed})


def a_stage(model: str, stage: str, *, epochs: int = 12, seconds: float = 75.0, **changed: Any) -> StageTold:
    """Return a stage of a training; what is changed is of its metadata, or of the rest."""
    metadata: dict[str, Any] = {
        "model": model, "stage": stage, "output": "o", "config": {}, "training": {}, "dataset": "tiny",
        "sequences_sha256": "s", "items_sha256": "i", "item_count": 40, "parent_sha256": "", "run_key": "r",
        "epoch": 7, "step": 70, "seed": 1, "threads": 1, "adrec_version": "1.2", "torch_version": "2.3",
        "metrics": {"monitor": "ndcg@10", "protocol": "loo/full/valid", "values": {"ndcg@10": 0.1234, "hr@10": 0.9}},
    }  # fmt: skip
    told: dict[str, Any] = {"sha256": f"{model}-{stage}-sha", "path": f"{model}/{stage}.safetensors", "fits": True}
    told["promoted"] = False
    told |= {key: value for key, value in changed.items() if key in told}
    metadata |= {key: value for key, value in changed.items() if key not in told}
    return StageTold(metadata=CheckpointMetadata(**metadata), epochs=epochs, seconds=seconds, **told)
