"""`adrec sweep`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from adrec_cli.cli.command import Session
from adrec_cli.cli.options import Common, Computing, DatasetArgument, Force, ModelName
from adrec_cli.cli.ranking_options import Candidates, Denoising
from adrec_cli.cli.sweep_options import Trying
from adrec_cli.cli.terminal import Terminal
from adrec_cli.cli.training_options import Training
from adrec_cli.errors import DivergedError

if TYPE_CHECKING:
    from adrec_cli.pipeline.sweep import Sweep


def sweep(
    dataset: DatasetArgument = None,
    *,
    model: ModelName = "adrec",
    trying: Trying,
    training: Training,
    candidates: Candidates,
    denoising: Denoising,
    force: Force = False,
    computing: Computing,
    common: Common,
    session: Session,
) -> None:
    """Train a model with options varied or parts left out, and compare the runs on validation."""
    from adrec_cli.cli.training_progress import TrainingProgress
    from adrec_cli.pipeline import sweep as pipeline

    with TrainingProgress(session.terminal) as progress:
        found = pipeline.sweep(
            dataset,
            model_name=model,
            workspace=common.workspace,
            design=trying.design(),
            experiment=training.experiment(model),
            evaluation=candidates.evaluation(computing, denoising, part="valid", seed=0),
            test=trying.test,
            picture=trying.picture,
            options=training.run_options(computing, force=force),
            stop=session.stop,
            on_event=progress,
        )
    show_sweep(session.terminal, found)
    if found.failed:
        raise DivergedError(
            f"{len(found.failed)} of the sweep's runs diverged", hint="the others' results are stored all the same"
        )


def show_sweep(terminal: Terminal, sweep: Sweep) -> None:
    """Print how good each run is: the metric that decides with its interval, and some others."""
    from adrec_cli.cli.training_view import duration

    if terminal.as_json:
        terminal.document(asdict(sweep))
        return
    for part in dict.fromkeys(summary.part for summary in sweep.summaries):
        of_part = [summary for summary in sweep.summaries if summary.part == part]
        others = [name for name in ("hr@10", "ndcg@10", "hr@20", "ndcg@20") if name != sweep.monitor]
        table = {(summary.run, summary.metric): summary for summary in of_part}
        rows = []
        for run in dict.fromkeys(summary.run for summary in of_part):
            main = table[run, sweep.monitor]
            rows.append(
                (
                    run,
                    f"{main.mean:.4f}",
                    f"[{main.lower:.4f}, {main.upper:.4f}]",
                    *(f"{table[run, name].mean:.4f}" for name in others),
                    duration(main.training_seconds),
                )
            )
        columns = ["run", sweep.monitor, "95% interval", *others, "trained"]
        title = f"{sweep.model} on {sweep.dataset}, {of_part[0].protocol}"
        terminal.table(columns, rows, title=title, right=columns[1:])
        kind = _interval_of(of_part[0].seeds)
        terminal.line(f"protocol {of_part[0].protocol}; {kind}")
    for failed in sweep.failed:
        terminal.warn(f"{failed.run} seed {failed.seed} has no result: {failed.error}")
    if sweep.without_picture:
        terminal.note(f"no picture: {sweep.without_picture}")
    terminal.line(f"stored in {sweep.results}" + (f", drawn in {sweep.picture}" if sweep.picture else ""))


def _interval_of(seeds: int) -> str:
    if seeds > 1:
        return f"means of {seeds} seeds, intervals over seeds (Student's t)"
    return "one seed, intervals over users (bootstrap); --seeds tells how much another training differs"
