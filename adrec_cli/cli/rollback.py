"""`adrec rollback`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument, Wait, model_option
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import UsageError
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.wording import command, inflect, say_count, say_statistics

if TYPE_CHECKING:
    from adrec_cli.pipeline.rollback import DataRolledBack


EXAMPLES: Final = (
    "adrec rollback grocery",
    "adrec rollback shop --data",
)


def rollback(
    dataset: DatasetArgument = None,
    *,
    model: Annotated[str, model_option("Model to take back to its previous version.")] = DEFAULT_MODEL,
    data: Annotated[
        bool, typer.Option("--data", help="Go back to the data set before its last change, instead of the model.")
    ] = False,
    to: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Generation to go to with --data, back or forward.")
    ] = None,
    wait: Wait = 0.0,
    common: Common,
    session: Session,
) -> None:
    """Go back to the previous model or data set; what was withdrawn is not taken again automatically."""
    from adrec_cli.artifacts.lock import Waiting
    from adrec_cli.cli.show.progress import Progress
    from adrec_cli.pipeline import rollback as pipeline

    if to is not None and not data:
        raise UsageError("--to names a generation of the data set", hint="add --data")
    with Progress(session.terminal) as progress:
        waiting = Waiting(seconds=wait, on_event=progress)
        if data:
            found = pipeline.rollback_data(dataset, workspace=common.workspace, to=to, waiting=waiting)
        else:
            done = pipeline.rollback(dataset, model_name=model, workspace=common.workspace, waiting=waiting)
    if data:
        _show_data(session.terminal, found)
        return
    if session.terminal.as_json:
        session.terminal.document(asdict(done))
        return
    value = "" if done.current.value is None else f", {done.current.metric} {done.current.value:.4f}"
    session.terminal.line(f"{done.current.checkpoint} is current again ({done.current.protocol}{value})")
    session.terminal.line(
        f"{done.withdrawn[:16]} is withdrawn; {say_count(done.earlier, 'earlier generation')} "
        f"{inflect(done.earlier, 'is', 'are')} left"
    )


def _show_data(terminal: Terminal, done: DataRolledBack) -> None:
    for model in done.models:
        terminal.warn(
            f"{model} was promoted on the data that were withdrawn; go back with it too: "
            f"{command('rollback', done.dataset, model=model)}"
        )
    if done.withdrawn:
        terminal.note(f"withdrawn, and not taken again without --retake: {', '.join(done.withdrawn)}")
    if terminal.as_json:
        terminal.document(asdict(done))
        return
    counts = done.statistics
    terminal.line(f"{done.dataset} is generation {done.generation} again: {say_statistics(counts)}")
    if done.left is not None:
        terminal.line(f"the state before is kept: {command('rollback', done.dataset, data=True, to=done.left)}")
    earlier = ", ".join(map(str, done.earlier)) or "none"
    terminal.line(f"earlier generations to go back to: {earlier}")
