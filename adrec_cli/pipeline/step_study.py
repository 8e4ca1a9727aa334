"""`adrec evaluate --steps 1,2,4`: what more reverse steps buy, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.options import BASELINE, EvaluationOptions, negatives_of, protocol_of
from adrec_cli.evaluating.timed_ranking import RankingProgress, timed_ranks
from adrec_cli.experiments.events import OnEvent, ignore
from adrec_cli.loading.opening import (
    Checkpoint,
    Dataset,
    dataset_folder_of,
    open_checkpoint,
    open_dataset,
    restore_model,
)
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.protocols import Cases, held_out_cases
from adrec_cli.runtime import resolve_device, set_threads

_WARMUP_CASES = 256


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One number of reverse steps.

    Attributes:
        steps: reverse steps.
        metrics: as an evaluation's.
        seconds: of ranking all targets.
        milliseconds_per_target: the same for one of them.
    """

    steps: int
    metrics: dict[str, float]
    seconds: float
    milliseconds_per_target: float


@dataclass(frozen=True, kw_only=True)
class StepStudy:
    """Quality against time, one row for each number of steps in the order asked for.

    Attributes:
        protocol: its short code, such as loo/full/test.
        cases: targets ranked.
        guidance: scale asked for; None is the model's own.
        threads: of the CPU.
    """

    dataset: str
    model: str
    stage: str
    checkpoint: str
    checkpoint_sha256: str
    protocol: str
    noise: str
    sampler: str
    eta: float
    temperature: float
    guidance: float | None
    seed: int
    cases: int
    device: str
    threads: int
    rows: list[StepRow]


def study_steps(
    name: str,
    steps: Sequence[int],
    *,
    workspace: Path,
    dataset_name: str | None = None,
    options: EvaluationOptions = EvaluationOptions(),
    on_event: OnEvent = ignore,
) -> StepStudy:
    """Evaluate a checkpoint once for each number of reverse steps; no report is stored.

    Args:
        name: path or bare name of a checkpoint of a model that samples.
        steps: numbers of reverse steps.
        workspace, dataset_name, on_event: as `evaluate`.
        options: everything else about the evaluations.

    Raises:
        UsageError: the model does not sample, or has fewer steps.
        ArtifactError, InputError: as `evaluate`.
    """
    opened = _open(Workspace(workspace), name, dataset_name, options)
    # What is slow only once must not count for the first row; it also refuses too many steps before any time is spent.
    opened.row(max(steps), _first(opened.cases, _WARMUP_CASES), ignore)
    rows = []
    for number, count in enumerate(steps):

        def told(event: object, before: int = number * len(opened.cases)) -> None:
            if isinstance(event, RankingProgress):
                on_event(RankingProgress(done=before + event.done, total=event.total * len(steps)))

        rows.append(opened.row(count, opened.cases, told))
    negatives = 0 if opened.negatives is None else opened.negatives.shape[1]
    return StepStudy(
        dataset=opened.dataset.manifest.dataset,
        model=opened.model.name,
        stage=opened.checkpoint.metadata.stage,
        checkpoint=opened.checkpoint.path.name,
        checkpoint_sha256=opened.checkpoint.sha256,
        protocol=protocol_of(opened.dataset, options, negatives).code,
        noise=options.sampling.noise,
        sampler=options.sampling.sampler,
        eta=options.sampling.eta,
        temperature=options.sampling.temperature,
        guidance=options.sampling.guidance,
        seed=options.sampling.seed,
        cases=len(opened.cases),
        device=opened.device.type,
        threads=opened.threads,
        rows=rows,
    )


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """All that is ranked with, whatever the number of steps."""

    dataset: Dataset
    checkpoint: Checkpoint
    model: SequentialRecommender
    cases: Cases
    negatives: npt.NDArray[np.int64] | None
    options: EvaluationOptions
    device: torch.device
    threads: int

    def row(self, steps: int, cases: Cases, on_event: OnEvent) -> StepRow:
        """Rank these cases with so many steps."""
        ranks, seconds = timed_ranks(
            self.model, self.dataset, cases, output=self.checkpoint.metadata.output,
            sampling=replace(self.options.sampling, steps=steps), merging=self.options.merging,
            mask_seen=self.options.mask_seen,
            negatives=None if self.negatives is None else self.negatives[: len(cases)], device=self.device,
            on_event=on_event,
        )  # fmt: skip
        return StepRow(
            steps=steps,
            metrics=metric_table(ranks, cases.users),
            seconds=seconds,
            milliseconds_per_target=1000 * seconds / len(cases),
        )


def _open(space: Workspace, name: str, dataset_name: str | None, options: EvaluationOptions) -> _Opened:
    path = None if name == BASELINE else space.find_checkpoint(name, dataset_name)
    if path is None:
        raise UsageError(f"{name} takes no reverse steps", hint="compare steps of a diffusion model's checkpoint")
    dataset = open_dataset(dataset_folder_of(space, path, dataset_name))
    checkpoint = open_checkpoint(path, dataset)
    threads, device = set_threads(options.threads), resolve_device(options.device)
    model, output = restore_model(checkpoint, device), checkpoint.metadata.output
    if output not in model.sampled_outputs:
        raise UsageError(
            f"{model.name} by its {output} takes no reverse steps",
            hint="compare steps of a diffusion model, such as adrec after its last stage",
        )
    cases = held_out_cases(dataset.sequences, options.part)
    return _Opened(
        dataset=dataset,
        checkpoint=checkpoint,
        model=model,
        cases=cases,
        negatives=negatives_of(dataset, cases, options),
        options=options,
        device=device,
        threads=threads,
    )


def _first(cases: Cases, count: int) -> Cases:
    return Cases(
        users=cases.users[:count], starts=cases.starts[:count], ends=cases.ends[:count], targets=cases.targets[:count]
    )
