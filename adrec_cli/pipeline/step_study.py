"""`adrec evaluate --steps 1,2,4`: what more reverse steps buy, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.held_out import HeldOut, make_scorer, prepare_held_out
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.events import OnEvent, ignore
from adrec_cli.experiments.events import RankingProgress
from adrec_cli.loading.opening import (
    Checkpoint,
    dataset_folder_of,
    open_checkpoint,
    open_dataset,
)
from adrec_cli.models.registry import BASELINE
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.scorer import Scorer
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
    """Evaluate a checkpoint once for each number of reverse steps; no evaluation is stored.

    Args:
        name: path or bare name of a checkpoint of a model that samples.
        steps: numbers of reverse steps.
        workspace, dataset_name, on_event: as `evaluate`.
        options: everything else about the evaluations.

    Raises:
        UsageError: the model does not sample, or has fewer steps.
        ArtifactError, InputError: as `evaluate`.
    """
    opened = _open(Workspace(workspace), name, dataset_name, options, on_event)
    # What is slow only once must not count for the first row; it also refuses too many steps before any time is spent.
    _row(opened.scorer, max(steps), opened.asked.first(_WARMUP_CASES), ignore)
    rows, cases = [], len(opened.asked.cases)
    for number, count in enumerate(steps):

        def report_progress(event: object, before: int = number * cases) -> None:
            if isinstance(event, RankingProgress):
                on_event(RankingProgress(done=before + event.done, total=event.total * len(steps)))

        rows.append(_row(opened.scorer, count, opened.asked, report_progress))
    return StepStudy(
        dataset=opened.asked.dataset.manifest.dataset,
        model=opened.scorer.model.name,
        stage=opened.checkpoint.metadata.stage,
        checkpoint=opened.checkpoint.path.name,
        checkpoint_sha256=opened.checkpoint.sha256,
        protocol=opened.asked.protocol.code,
        noise=options.sampling.noise,
        sampler=options.sampling.sampler,
        eta=options.sampling.eta,
        temperature=options.sampling.temperature,
        guidance=options.sampling.guidance,
        seed=options.sampling.seed,
        cases=cases,
        device=opened.scorer.device.type,
        threads=opened.threads,
        rows=rows,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Opened:
    """All that is ranked with, whatever the number of steps."""

    checkpoint: Checkpoint
    scorer: Scorer
    asked: HeldOut
    threads: int


def _row(scorer: Scorer, steps: int, asked: HeldOut, on_event: OnEvent) -> StepRow:
    """Rank cases with a number of reverse steps."""
    stepped = replace(scorer, sampling=replace(scorer.sampling, steps=steps))
    ranks, seconds = asked.rank(stepped, on_event)
    return StepRow(
        steps=steps,
        metrics=metric_table(ranks, asked.cases.users),
        seconds=seconds,
        milliseconds_per_target=1000 * seconds / len(asked.cases),
    )


def _open(
    space: Workspace, name: str, dataset_name: str | None, options: EvaluationOptions, on_event: OnEvent
) -> _Opened:
    path = None if name == BASELINE else space.find_checkpoint(name, dataset_name)
    if path is None:
        raise UsageError(f"{name} takes no reverse steps", hint="compare steps of a diffusion model's checkpoint")
    dataset = open_dataset(dataset_folder_of(space, path, dataset_name))
    checkpoint = open_checkpoint(path, dataset)
    threads, device = set_threads(options.threads), resolve_device(options.device)
    scorer = make_scorer(checkpoint, options, device)
    if scorer.output not in scorer.model.sampled_outputs:
        raise UsageError(
            f"{scorer.model.name} by its {scorer.output} takes no reverse steps",
            hint="compare steps of a diffusion model, such as adrec after its last stage",
        )
    return _Opened(
        checkpoint=checkpoint, scorer=scorer, asked=prepare_held_out(dataset, options, on_event), threads=threads
    )
