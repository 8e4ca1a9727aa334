"""`adrec sweep`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument, ModelName, Raw, find_typed
from adrec_cli.cli.options.declared import Declared, Offer
from adrec_cli.cli.options.evaluation import Evaluating, build_evaluation
from adrec_cli.cli.show.compare import format_p
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import DivergedError
from adrec_cli.evaluating.given_negatives import Looking
from adrec_cli.experiments.options import TrainingOptions
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.sweeping.sweep_options import Design, SweepOptions
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.pipeline.sweep import Sweep


EXAMPLES: Final = (
    "adrec sweep grocery --vary steps=5,10,20,50",
    "adrec sweep grocery --ablate three-stage --ablate token-level --ablate pretrain",
    "adrec sweep grocery --vary mse_weight=0.1,0.5,0.9 --vary lambda=0.001,0.1 --seeds 3",
    "adrec sweep grocery --model sasrec --vary model.dropout=0.1,0.3,0.5 --vary blocks=1,2 --grid",
    "adrec sweep grocery --vary sampling.steps=1,4,32 --negatives 99",
)


def sweep(
    dataset: DatasetArgument = None,
    *,
    model: ModelName = DEFAULT_MODEL,
    design: Design,
    sweeping: Declared[SweepOptions],
    training: TrainingOptions,
    evaluating: Annotated[Evaluating, Offer(without=("part", "seed", "beyond_accuracy"))],
    raw: Raw = None,
    common: Common,
    session: Session,
) -> None:
    """Train a model with options varied or parts left out, and compare the runs on validation."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.data.named_negatives import require_negatives_searched
    from adrec_cli.experiments.work import Work
    from adrec_cli.pipeline import sweep as pipeline

    require_negatives_searched(evaluating.values["negatives"], find_typed(raw))
    with TrainingProgress(session.terminal) as progress:
        looking = Looking(raw=raw, workspace=common.workspace, on_event=progress)
        found = pipeline.sweep(
            dataset,
            model_name=model,
            workspace=common.workspace,
            options=sweeping.options(design=design, evaluation=build_evaluation(evaluating, looking, part="valid")),
            experiment=training.experiment(model),
            work=Work(options=training.compute, stop=session.stop, on_event=progress),
        )
    show_sweep(session.terminal, found)
    if found.failed:
        raise DivergedError(
            f"{len(found.failed)} of the sweep's runs diverged", hint="the others' results are stored anyway"
        )


def show_sweep(terminal: Terminal, sweep: Sweep) -> None:
    """Print how good each run is: the metric that decides, its difference to the base, and some others."""
    if terminal.as_json:
        terminal.document(asdict(sweep))
        return
    for part in dict.fromkeys(summary.part for summary in sweep.summaries):
        _show_part(terminal, sweep, part)
    for failed in sweep.failed:
        terminal.warn(f"{failed.run} seed {failed.seed} has no result: {failed.error}")
    if sweep.without_picture:
        terminal.note(f"no picture: {sweep.without_picture}")
    terminal.line(f"stored in {sweep.results}" + (f", drawn in {sweep.picture}" if sweep.picture else ""))


def _show_part(terminal: Terminal, sweep: Sweep, part: str) -> None:
    from adrec_cli.cli.show.training_view import duration
    from adrec_cli.sweeping.results import name_run

    table = {(summary.run, summary.metric): summary for summary in sweep.summaries if summary.part == part}
    differences = {one.run: one for one in sweep.differences if one.part == part}
    others = [name for name in ("hr@10", "ndcg@10", "hr@20", "ndcg@20") if name != sweep.monitor]
    tested = ["to base", "p"] if differences else []
    seeds = max(summary.seeds for summary in table.values())
    rows = []
    for run in dict.fromkeys(run for run, _ in table):
        main, difference = table[run, sweep.monitor], differences.get(run)
        told = (f"{difference.value:+.4f}", format_p(difference.p_holm)) if difference else ("", "")
        rows.append(
            (
                name_run(main, seeds),
                f"{main.mean:.4f}",
                f"[{main.lower:.4f}, {main.upper:.4f}]",
                *(told if tested else ()),
                *(f"{table[run, name].mean:.4f}" for name in others),
                duration(main.training_seconds),
            )
        )
    columns = ["run", sweep.monitor, "95% interval", *tested, *others, "trained"]
    first = next(iter(table.values()))
    terminal.table(
        columns, rows, title=f"{sweep.model} on {sweep.dataset}, {first.protocol}", right=columns[1:],
        optional=[*reversed(others), "trained", "95% interval"],
    )  # fmt: skip
    terminal.line(f"protocol {first.protocol}; {_interval_of(seeds)}")
    if differences:
        terminal.line(
            f"p of a paired randomisation test over users, corrected for {say_count(len(differences), 'run')} (Holm)"
        )


def _interval_of(seeds: int) -> str:
    if seeds > 1:
        return f"means of {say_count(seeds, 'seed')}, intervals over seeds (Student's t)"
    return "one seed, intervals over users (bootstrap); --seeds tells how much another training differs"
