"""`adrec evaluate`: ranks held-out items with a checkpoint and reports metrics with their protocol."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from adrec_cli import __version__
from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.provenance import code_sha256
from adrec_cli.artifacts.ranks import CANDIDATES, COLD, HISTORY_LENGTH, RANK, TARGET_COUNT, USER_ROW
from adrec_cli.artifacts.report import Evaluation, read_ranks, read_report, settle_report, write_report
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.data.negatives import count_negatives, read_negatives
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.models.base import Sampling, SequentialRecommender
from adrec_cli.models.most_popular import MostPopular
from adrec_cli.pipeline.opening import Checkpoint, Dataset, open_checkpoint, open_dataset, restore_model
from adrec_cli.pipeline.recommended_lists import list_figures
from adrec_cli.pipeline.stage import OnEvent, ignore
from adrec_cli.pipeline.timed_ranking import timed_ranks, told_as_event
from adrec_cli.pipeline.train import dataset_folder_of
from adrec_cli.ranking.bootstrap import metric_intervals
from adrec_cli.ranking.merging import SINGLE, Merging
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.protocols import Cases, Protocol, candidate_counts, draw_negatives, held_out_cases
from adrec_cli.ranking.slices import slice_table
from adrec_cli.runtime import resolve_device, set_threads
from adrec_cli.schema import COUNT, ITEM_ID, ITEM_INDEX, REPORTS_FOLDER, SEED_FOLDER, USER_ID

BASELINE = "mostpop"
"""The name under which MostPopular, which needs no checkpoint, is evaluated."""


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What to rank and how.

    Attributes:
        part: "test" or "valid".
        negatives: 0 ranks against the whole catalogue, else against so many drawn ones.
        negatives_file: in ReChorus's form, instead of drawing.
        mask_seen: items of the history do not compete; off, as in the paper.
        sampling: of a diffusion model.
        merging: how many samples, and how they become one list.
        beyond_accuracy: also look at the lists of recommendations, which takes about as long again.
        seed: of drawn negatives.
        device, threads: to compute on.
    """

    part: str = "test"
    negatives: int = 0
    negatives_file: Path | None = None
    mask_seen: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    merging: Merging = SINGLE
    beyond_accuracy: bool = False
    seed: int = 0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.negatives and self.negatives_file:
            raise UsageError("negatives are either drawn or read from a file, not both")
        if self.mask_seen and (self.negatives or self.negatives_file):
            raise UsageError("--mask-seen belongs to full ranking; sampled negatives are unseen already")
        if self.beyond_accuracy and (self.negatives or self.negatives_file):
            raise UsageError("--beyond-accuracy looks at lists from the whole catalogue", hint="leave out --negatives")

    @property
    def sampled(self) -> dict[str, Any]:
        """How vectors come about, as reports tell it."""
        return {**asdict(self.sampling), **asdict(self.merging)}


def evaluate(
    name: str,
    *,
    workspace: Path,
    dataset_name: str | None = None,
    options: EvaluationOptions = EvaluationOptions(),
    on_event: OnEvent = ignore,
) -> Evaluation:
    """Evaluate a checkpoint, or "mostpop", and store the result under `reports/`.

    Args:
        name: path or bare name of a checkpoint.
        workspace: where datasets are.
        dataset_name: None takes the checkpoint's, or the only one.
        options: what to rank and how.
        on_event: told `RankingProgress`.

    Raises:
        ArtifactError: dataset or checkpoint missing, damaged or not matching.
        InputError: nothing to rank, or a bad negatives file.
    """
    space = Workspace(workspace)
    if name == BASELINE:
        dataset = open_dataset(space.dataset_folder(dataset_name))
        return evaluate_opened(dataset, None, options, on_event)
    path = space.find_checkpoint(name, dataset_name)
    dataset = open_dataset(dataset_folder_of(space, path, dataset_name))
    return evaluate_opened(dataset, open_checkpoint(path, dataset), options, on_event)


def evaluate_opened(
    dataset: Dataset, checkpoint: Checkpoint | None, options: EvaluationOptions, on_event: OnEvent = ignore
) -> Evaluation:
    """Evaluate an opened checkpoint (None: MostPopular) and store the result, with the rank of every target."""
    threads = set_threads(options.threads)
    device = resolve_device(options.device)
    model, output = _model_of(dataset, checkpoint, device)
    cases = held_out_cases(dataset.sequences, options.part)
    negatives = negatives_of(dataset, cases, options)
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
        **_figures(table, dataset.items[COUNT].to_numpy().astype(np.int64)),
        model=model.name,
        sampling=options.sampled if output in model.sampled_outputs else {},
        beyond_accuracy=beyond,
        parameters=sum(weight.numel() for weight in model.parameters()),
        seconds=seconds,
        device=device.type,
        threads=threads,
    )
    return write_report(evaluation, table)


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


def _figures(table: pl.DataFrame, item_counts: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Return what a report tells of the ranks."""
    ranks, users = table[RANK].to_numpy(), table[USER_ROW].to_numpy()
    target_counts = table[TARGET_COUNT].to_numpy()
    return {
        "metrics": metric_table(ranks, users),
        "intervals": metric_intervals(ranks, users),
        "slices": slice_table(
            ranks, users, target_counts=target_counts, history_lengths=table[HISTORY_LENGTH].to_numpy(),
            item_counts=item_counts,
        ),
        "users": len(np.unique(users)),
        "cases": len(ranks),
        "cold_targets": int((target_counts == 0).sum()),
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


def protocol_of(dataset: Dataset, options: EvaluationOptions, negatives: int) -> Protocol:
    """Return the protocol of options with so many negatives."""
    source = options.negatives_file.name if options.negatives_file else f"drawn with seed {options.seed}"
    return Protocol(
        split=dataset.split, part=options.part, negatives=negatives, negatives_source=source,
        mask_seen=options.mask_seen,
    )  # fmt: skip


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


def negatives_of(dataset: Dataset, cases: Cases, options: EvaluationOptions) -> npt.NDArray[np.int64] | None:
    """Return the items each case is ranked against, read or drawn; None means the whole catalogue.

    Raises:
        InputError: the file does not fit the cases.
    """
    if options.negatives_file is not None:
        user_ids = dataset.sequences.user_ids.gather(cases.users).to_list()
        return read_negatives(options.negatives_file, user_ids=user_ids, targets=cases.targets, items=dataset.items)
    if options.negatives:
        return draw_negatives(dataset.sequences, cases, options.negatives, options.seed)
    return None


def _negatives_sha256(options: EvaluationOptions) -> str:
    return file_sha256(options.negatives_file) if options.negatives_file else ""
