"""One model evaluated under one protocol, or read back where nothing has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from adrec_cli import __version__
from adrec_cli.artifacts.changing import manifest_before
from adrec_cli.artifacts.provenance import code_sha256
from adrec_cli.artifacts.ranks import CANDIDATES, COLD, HISTORY_LENGTH, RANK, TARGET_COUNT, USER_ROW
from adrec_cli.artifacts.report import Evaluation, read_ranks, read_report, settle_report, write_report
from adrec_cli.data.forgotten import forgotten_users
from adrec_cli.data.negatives import count_negatives
from adrec_cli.errors import ArtifactError
from adrec_cli.evaluating.options import BASELINE, EvaluationOptions, _negatives_sha256, negatives_of, protocol_of
from adrec_cli.evaluating.recommended_lists import list_figures
from adrec_cli.evaluating.timed_ranking import timed_ranks, told_as_event
from adrec_cli.experiments.events import OnEvent, ignore
from adrec_cli.loading.opening import (
    Checkpoint,
    Dataset,
    restore_model,
)
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.most_popular import MostPopular
from adrec_cli.ranking.bootstrap import metric_intervals
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.protocols import Cases, Protocol, candidate_counts, held_out_cases, repeated_targets
from adrec_cli.ranking.slices import slice_table
from adrec_cli.runtime import resolve_device, set_threads
from adrec_cli.schema import COUNT, ITEM_ID, ITEM_INDEX, REPORTS_FOLDER, SEED_FOLDER, USER_ID


def evaluate_opened(
    dataset: Dataset, checkpoint: Checkpoint | None, options: EvaluationOptions, on_event: OnEvent = ignore
) -> Evaluation:
    """Evaluate an opened checkpoint (None: MostPopular) and store the result, with the rank of every target."""
    threads = set_threads(options.threads)
    device = resolve_device(options.device)
    model, output = _model_of(dataset, checkpoint, device)
    cases = held_out_cases(dataset.sequences, options.part)
    negatives = negatives_of(dataset, cases, options, on_event)
    ranks, seconds = timed_ranks(
        model, dataset, cases, output=output, sampling=options.sampling, merging=options.merging,
        mask_seen=options.mask_seen, negatives=negatives, device=device, on_event=on_event,
    )  # fmt: skip
    table = _rank_table(dataset, cases, ranks, negatives, mask_seen=options.mask_seen)
    beyond = {}
    if options.beyond_accuracy:
        beyond = list_figures(
            model, dataset, cases, output=output, sampling=options.sampling, merging=options.merging,
            mask_seen=options.mask_seen, device=device, on_progress=told_as_event(on_event),
        )  # fmt: skip
    protocol = protocol_of(dataset, options, 0 if negatives is None else negatives.shape[1])
    evaluation = Evaluation(
        **_identity(dataset, checkpoint, options, protocol),
        **_figures(table, dataset.items[COUNT].to_numpy().astype(np.int64), repeated_targets(dataset.sequences, cases)),
        model=model.name,
        sampling=options.sampled if output in model.sampled_outputs else {},
        beyond_accuracy=beyond,
        parameters=sum(weight.numel() for weight in model.parameters()),
        seconds=seconds,
        device=device.type,
        threads=threads,
    )
    return _write(dataset, evaluation, table)


def _write(dataset: Dataset, evaluation: Evaluation, ranks: pl.DataFrame) -> Evaluation:
    """Write a report without the ranks of those who were forgotten meanwhile, however short before.

    `adrec forget` says who leaves before it looks for ranks: it finds these, or is found by the second look.
    """
    stay = _without_forgotten(dataset, ranks)
    written = write_report(evaluation, stay)
    still = _without_forgotten(dataset, stay)
    return written if still.height == stay.height else write_report(evaluation, still)


def _without_forgotten(dataset: Dataset, ranks: pl.DataFrame) -> pl.DataFrame:
    now = manifest_before(dataset.folder)
    if now is None or now.forgotten == dataset.manifest.forgotten:
        return ranks
    return ranks.filter(~pl.Series(forgotten_users(ranks[USER_ID], now.forgotten)))


def _identity(
    dataset: Dataset, checkpoint: Checkpoint | None, options: EvaluationOptions, protocol: Protocol
) -> dict[str, Any]:
    """Return what is ranked, against what, how, and by which code."""
    return {
        "dataset": dataset.manifest.dataset,
        "stage": checkpoint.metadata.stage if checkpoint else "",
        "checkpoint": checkpoint.path.name if checkpoint else "",
        "checkpoint_sha256": checkpoint.sha256 if checkpoint else "",
        "items_sha256": dataset.manifest.items_sha256,
        "sequences_sha256": dataset.manifest.sequences_sha256,
        "protocol": protocol.code,
        "negatives_source": protocol.negatives_source if protocol.negatives else "",
        "negatives_sha256": _negatives_sha256(options),
        "mask_seen": options.mask_seen,
        "seed": options.seed,
        "adrec_version": __version__,
        "torch_version": torch.__version__,
        "code_sha256": code_sha256(),
        "path": str(report_path(dataset, checkpoint, protocol)),
    }


def _figures(
    table: pl.DataFrame, item_counts: npt.NDArray[np.int64], repeated: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Return what a report tells of the ranks."""
    ranks, users = table[RANK].to_numpy(), table[USER_ROW].to_numpy()
    target_counts = table[TARGET_COUNT].to_numpy()
    return {
        "metrics": metric_table(ranks, users),
        "intervals": metric_intervals(ranks, users),
        "slices": slice_table(
            ranks, users, target_counts=target_counts, history_lengths=table[HISTORY_LENGTH].to_numpy(),
            item_counts=item_counts, repeated=repeated,
        ),
        "users": len(np.unique(users)),
        "cases": len(ranks),
        "cold_targets": int((target_counts == 0).sum()),
        "items": len(item_counts),
    }  # fmt: skip


def _rank_table(
    dataset: Dataset,
    cases: Cases,
    ranks: npt.NDArray[np.int64],
    negatives: npt.NDArray[np.int64] | None,
    *,
    mask_seen: bool,
) -> pl.DataFrame:
    """Return what is stored of each case."""
    counts = dataset.items[COUNT].to_numpy()[cases.targets - 1]
    competing = candidate_counts(dataset.sequences, cases, negatives=negatives, mask_seen=mask_seen)
    return pl.DataFrame(
        {
            USER_ID: dataset.sequences.user_ids.gather(cases.users),
            USER_ROW: cases.users,
            ITEM_ID: dataset.items[ITEM_ID].gather(cases.targets - 1),
            ITEM_INDEX: cases.targets,
            # A target that no merged list holds ranks last of all items, competing or not.
            RANK: np.minimum(ranks, competing),
            CANDIDATES: competing,
            HISTORY_LENGTH: cases.ends - cases.starts,
            TARGET_COUNT: counts,
            COLD: counts == 0,
        }
    )


def stored_evaluation(dataset: Dataset, checkpoint: Checkpoint | None, options: EvaluationOptions) -> Evaluation | None:
    """Return the stored evaluation if it is of the very same checkpoint, data, options and code, its ranks whole."""
    count = count_negatives(options.negatives_file) if options.negatives_file else options.negatives
    path = report_path(dataset, checkpoint, protocol_of(dataset, options, count))
    try:
        stored = read_report(path)
        read_ranks(path)
    except ArtifactError:
        # Missing, damaged, or not a report of this version: it is measured anew and overwritten.
        return None
    fresh = (
        stored.checkpoint_sha256 == (checkpoint.sha256 if checkpoint else "")
        and stored.items_sha256 == dataset.manifest.items_sha256
        and stored.sequences_sha256 == dataset.manifest.sequences_sha256
        and stored.negatives_sha256 == _negatives_sha256(options)
        and stored.sampling in ({}, options.sampled)
        and (stored.seed == options.seed or not (stored.sampling or options.negatives))
        and stored.code_sha256 == code_sha256()
        and (bool(stored.beyond_accuracy) or not options.beyond_accuracy)
    )
    if not fresh:
        return None
    settle_report(path, stored)
    return stored


def report_path(dataset: Dataset, checkpoint: Checkpoint | None, protocol: Protocol) -> Path:
    """Return where the report of a model and protocol lies."""
    who = BASELINE
    if checkpoint is not None:
        who = f"{checkpoint.metadata.model}-{checkpoint.metadata.stage}"
        folder = checkpoint.path.resolve().parent.name
        who += f"-{folder}" if folder.startswith(SEED_FOLDER) else ""
    return dataset.folder / REPORTS_FOLDER / f"{who}-{protocol.code.replace('/', '-')}.json"


def _model_of(
    dataset: Dataset, checkpoint: Checkpoint | None, device: torch.device
) -> tuple[SequentialRecommender, str]:
    if checkpoint is not None:
        return restore_model(checkpoint, device), checkpoint.metadata.output
    counts = torch.from_numpy(np.concatenate([[0], dataset.items[COUNT].to_numpy()]))
    return MostPopular.from_counts(counts).to(device), MostPopular.outputs[0]
