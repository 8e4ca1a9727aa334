"""One model evaluated under one protocol, or read back where nothing has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from adrec_cli import __version__
from adrec_cli.artifacts.changing import manifest_before
from adrec_cli.artifacts.evaluation import Evaluation, write_evaluation
from adrec_cli.artifacts.ranks import CANDIDATES, COLD, HISTORY_LENGTH, RANK, TARGET_COUNT, USER_ROW
from adrec_cli.data.forgotten import mask_forgotten
from adrec_cli.evaluating.code import measuring_code_sha256
from adrec_cli.evaluating.held_out import HeldOut, make_scorer, prepare_held_out
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.evaluating.recommended_lists import list_figures
from adrec_cli.evaluating.rivals import hash_negatives
from adrec_cli.evaluating.stored import evaluation_path
from adrec_cli.events import OnEvent, ignore
from adrec_cli.loading.opening import (
    Checkpoint,
    Dataset,
    count_popularity,
)
from adrec_cli.ranking.bootstrap import metric_intervals
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.protocols import Protocol, find_repeats
from adrec_cli.ranking.rivals import count_candidates
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.ranking.slices import slice_table
from adrec_cli.runtime import resolve_device, set_threads
from adrec_cli.schema import ITEM_ID, ITEM_INDEX, USER_ID
from adrec_cli.training.processes import ALONE, Processes, require_alike


def evaluate_opened(
    dataset: Dataset,
    checkpoint: Checkpoint | None,
    options: EvaluationOptions,
    on_event: OnEvent = ignore,
    processes: Processes = ALONE,
) -> Evaluation:
    """Evaluate an opened checkpoint (None: MostPopular) and store the result, with the rank of every target.

    Args:
        dataset, checkpoint, options: what is evaluated, on what and how.
        on_event: called with `RankingProgress`.
        processes: of which this is the first; the others go through `rank_held_out`.
    """
    found = rank_held_out(dataset, checkpoint, options, on_event, processes)
    asked, model = found.asked, found.scorer.model
    table = _tabulate_ranks(asked, found.ranks)
    repeated = find_repeats(dataset.sequences, asked.cases)
    evaluation = Evaluation(
        **found.identity,
        **_compute_figures(table, dataset.train_counts, repeated),
        model=model.name,
        sampling=options.sampled if found.scorer.output in model.sampled_outputs else {},
        beyond_accuracy=found.list_figures,
        parameters=sum(weight.numel() for weight in model.parameters()),
        seconds=found.seconds * processes.count,
        device=found.scorer.device.type,
        threads=found.threads,
    )
    return _write(dataset, evaluation, table)


@dataclass(frozen=True, kw_only=True, eq=False)
class RankedHeldOut:
    """Held-out items that all processes have ranked.

    Attributes:
        identity: what is ranked, against what, how, and by which code.
        scorer, asked: the same, as it is computed.
        ranks: of each case, from 1.
        list_figures: what the lists of recommendations are like; empty unless asked for.
        seconds: that ranking took each of them.
        threads: of each process.
    """

    identity: dict[str, Any]
    scorer: Scorer
    asked: HeldOut
    ranks: npt.NDArray[np.int64]
    list_figures: dict[str, float]
    seconds: float
    threads: int


def rank_held_out(
    dataset: Dataset,
    checkpoint: Checkpoint | None,
    options: EvaluationOptions,
    on_event: OnEvent = ignore,
    processes: Processes = ALONE,
) -> RankedHeldOut:
    """Rank what an evaluation ranks, together with all processes that go through this; arguments as `evaluate_opened`.

    Raises:
        ArtifactError: the model gives values that are not finite, or a process has something else to rank.
    """
    threads = set_threads(options.threads)

    def prepare() -> tuple[Scorer, HeldOut]:
        device = resolve_device(processes.choose_device(options.device))
        scorer = _make_scorer(dataset, checkpoint, options, device)
        return scorer, prepare_held_out(dataset, options, on_event)

    scorer, asked = processes.agree(prepare)
    identity = _identify(dataset, checkpoint, options, asked.protocol)
    require_alike(processes, [identity, options.sampled, scorer.device.type, threads])
    ranks, seconds = asked.rank(scorer, on_event, processes)
    figures = list_figures(scorer, asked, on_event, processes) if options.beyond_accuracy else {}
    return RankedHeldOut(
        identity=identity, scorer=scorer, asked=asked, ranks=ranks, list_figures=figures, seconds=seconds,
        threads=threads,
    )  # fmt: skip


def _write(dataset: Dataset, evaluation: Evaluation, ranks: pl.DataFrame) -> Evaluation:
    """Write an evaluation without the ranks of those who were forgotten meanwhile, however short before.

    `adrec forget` says who leaves before it looks for ranks: it finds these, or is found by the second look.
    """
    stay = _leave_out_forgotten(dataset, ranks)
    written = write_evaluation(evaluation, stay)
    still = _leave_out_forgotten(dataset, stay)
    return written if still.height == stay.height else write_evaluation(evaluation, still)


def _leave_out_forgotten(dataset: Dataset, ranks: pl.DataFrame) -> pl.DataFrame:
    now = manifest_before(dataset.folder)
    if now is None or now.forgotten == dataset.manifest.forgotten:
        return ranks
    return ranks.filter(~pl.Series(mask_forgotten(ranks[USER_ID], now.forgotten)))


def _identify(
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
        "negatives_sha256": hash_negatives(options),
        "mask_seen": options.mask_seen,
        "seed": options.seed,
        "adrec_version": __version__,
        "torch_version": torch.__version__,
        "code_sha256": measuring_code_sha256(),
        "path": str(evaluation_path(dataset, checkpoint, protocol)),
    }


def _compute_figures(
    table: pl.DataFrame, item_counts: npt.NDArray[np.int64], repeated: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Return what an evaluation tells of the ranks."""
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


def _tabulate_ranks(asked: HeldOut, ranks: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Return what is stored of each case."""
    dataset, cases = asked.dataset, asked.cases
    counts = dataset.train_counts[cases.targets - 1]
    competing = count_candidates(dataset.sequences, cases, asked.rivals)
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


def _make_scorer(
    dataset: Dataset, checkpoint: Checkpoint | None, options: EvaluationOptions, device: torch.device
) -> Scorer:
    if checkpoint is not None:
        return make_scorer(checkpoint, options, device)
    model = count_popularity(dataset).to(device)
    return Scorer(
        model=model, output=model.outputs[0], sampling=options.sampling, merging=options.merging, device=device
    )
