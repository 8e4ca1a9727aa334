"""`adrec tune`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument, ModelName
from adrec_cli.cli.options.declared import Offer
from adrec_cli.cli.show.terminal import Terminal, short
from adrec_cli.errors import DivergedError
from adrec_cli.experiments.options import TrainingOptions
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.sweeping.tune_options import TuneOptions
from adrec_cli.wording import command, say_count

if TYPE_CHECKING:
    from adrec_cli.pipeline.tune import Search
    from adrec_cli.sweeping.trials import Trial

EXAMPLES: Final = (
    "adrec tune grocery --search learning_rate=1e-4..1e-2:log --search model.dropout=0.1..0.6 --trials 30",
    "adrec tune grocery --model sasrec --space standard --trials 30 --timeout 8h",
    "adrec tune grocery --search stages.align.embedding_decay=0.0..0.8 --timeout 8h",
    "adrec tune grocery --model sasrec --search hidden_size=32,64,128 --search blocks=1..3 --pruner hyperband",
)
_SHOWN_TRIALS = 10


def tune(
    dataset: DatasetArgument = None,
    *,
    model: ModelName = DEFAULT_MODEL,
    searching: TuneOptions,
    training: Annotated[TrainingOptions, Offer(without=("force", "resume"))],
    common: Common,
    session: Session,
) -> None:
    """Search options that do well on validation; the best become a file for --config."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.experiments.work import Work
    from adrec_cli.pipeline import tune as pipeline

    with TrainingProgress(session.terminal) as progress:
        found = pipeline.tune(
            dataset,
            model_name=model,
            workspace=common.workspace,
            tuning=searching,
            experiment=training.experiment(model),
            work=Work(options=training.compute, stop=session.stop, on_event=progress),
        )
    _show(session.terminal, found)
    if found.best is None:
        raise DivergedError("no trial finished", hint="search smaller learning rates, or raise --trials")


def _show(terminal: Terminal, search: Search) -> None:
    if terminal.as_json:
        terminal.document(asdict(search))
        return
    from adrec_cli.cli.show.training_view import duration

    def rank(trial: Trial) -> tuple[bool, float]:
        return trial.state != "done", -(trial.value or 0.0)

    keys = list(search.trials[0].chosen)
    rows = [
        (
            str(trial.number),
            "none" if trial.value is None else f"{trial.value:.4f}",
            trial.state,
            *(short(trial.chosen[key]) for key in keys),
            duration(trial.seconds),
        )
        for trial in sorted(search.trials, key=rank)[:_SHOWN_TRIALS]
    ]
    columns = ["trial", search.metric, "state", *keys, "trained"]
    title = (
        f"{search.model} on {search.dataset}, {search.protocol}, the best of {say_count(len(search.trials), 'trial')}"
    )
    terminal.table(columns, rows, title=title, right=["trial", search.metric, *keys, "trained"])
    if search.timed_out:
        terminal.line("the time is up; the same command continues the search")
    if search.config is not None:
        terminal.line(f"the best options are in {search.config}; train with them:")
        model = None if search.model == DEFAULT_MODEL else search.model
        terminal.command(command("train", search.dataset, model=model, config=search.config))
