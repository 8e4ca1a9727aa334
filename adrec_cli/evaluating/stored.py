"""The stored evaluation of a model, where nothing has changed since."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.artifacts.evaluation import Evaluation, read_evaluation, settle_left, verify_ranks
from adrec_cli.errors import ArtifactError
from adrec_cli.evaluating.code import measuring_code_sha256
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.evaluating.rivals import hash_negatives, name_protocol
from adrec_cli.loading.opening import (
    Checkpoint,
    Dataset,
)
from adrec_cli.models.registry import BASELINE
from adrec_cli.ranking.protocols import Protocol
from adrec_cli.schema import REPORTS_FOLDER, SEED_FOLDER


def find_evaluation(dataset: Dataset, checkpoint: Checkpoint | None, options: EvaluationOptions) -> Evaluation | None:
    """Return the stored evaluation if it is of the very same checkpoint, data, options and code, its ranks whole."""
    path = evaluation_path(dataset, checkpoint, name_protocol(dataset, options, _count_negatives(options)))
    try:
        stored = read_evaluation(path)
        verify_ranks(path)
    except ArtifactError:
        # Missing, damaged, or none of this version: it is measured again and overwritten.
        return None
    fresh = (
        stored.checkpoint_sha256 == (checkpoint.sha256 if checkpoint else "")
        and stored.items_sha256 == dataset.manifest.items_sha256
        and stored.sequences_sha256 == dataset.manifest.sequences_sha256
        and stored.negatives_sha256 == hash_negatives(options)
        and stored.sampling in ({}, options.sampled)
        and (stored.seed == options.seed or not (stored.sampling or options.negatives))
        and stored.code_sha256 == measuring_code_sha256()
        and (bool(stored.beyond_accuracy) or not options.beyond_accuracy)
    )
    if not fresh:
        return None
    settle_left(path)
    return stored


def _count_negatives(options: EvaluationOptions) -> int:
    if options.negatives_file is None:
        return options.negatives
    from adrec_cli.data.negatives import count_negatives

    return count_negatives(options.negatives_file)


def evaluation_path(dataset: Dataset, checkpoint: Checkpoint | None, protocol: Protocol) -> Path:
    """Return where the evaluation of a model and protocol lies."""
    who = BASELINE
    if checkpoint is not None:
        who = f"{checkpoint.metadata.model}-{checkpoint.metadata.stage}"
        folder = checkpoint.path.resolve().parent.name
        who += f"-{folder}" if folder.startswith(SEED_FOLDER) else ""
    return dataset.folder / REPORTS_FOLDER / f"{who}-{protocol.code.replace('/', '-')}.json"
