"""`adrec forget`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument
from adrec_cli.cli.options.declared import Offer
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import AdrecError, ExitCode
from adrec_cli.experiments.work import ComputeOptions
from adrec_cli.wording import command, say_count

if TYPE_CHECKING:
    from adrec_cli.forgetting.learnt import Learnt
    from adrec_cli.pipeline.forget import Forgotten


EXAMPLES: Final = (
    "adrec forget shop --user 42",
    "adrec forget shop --users leavers.txt --retrain",
)


def forget(
    dataset: DatasetArgument = None,
    *,
    user: Annotated[list[str] | None, typer.Option(metavar="ID", help="User to forget; repeatable.")] = None,
    users: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Users to forget: one id per line, or a column user_id."),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Retrain the models that have learned from forgotten users.")
    ] = False,
    compute: Annotated[ComputeOptions, Offer(without=("resume", "force", "max_steps", "max_time", "track"))],
    common: Common,
    session: Session,
) -> None:
    """Remove users from the data, former data, ranks and batches; no later file brings them back."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.data.audience_files import read_ids
    from adrec_cli.experiments.work import Work
    from adrec_cli.pipeline import forget as pipeline
    from adrec_cli.schema import USER_ID

    named = {one.strip() for one in user or []} | (set() if users is None else set(read_ids(users, USER_ID).to_list()))
    accounts: list[pipeline.Forgotten] = []

    def on_event(event: object) -> None:
        accounts.extend([event] if isinstance(event, pipeline.Forgotten) else [])
        progress(event)

    try:
        with TrainingProgress(session.terminal) as progress:
            done = pipeline.forget(
                dataset,
                named,
                workspace=common.workspace,
                retrain=retrain,
                work=Work(options=compute, stop=session.stop, on_event=on_event),
            )
    except BaseException:
        # A training was stopped, or failed as none should: who is gone is gone, and it is said.
        for account in accounts:
            _show(session.terminal, account, common.name_workspace())
        raise
    _show(session.terminal, done, common.name_workspace())
    if done.not_retrained:
        raise _not_retrained_error(done)


def _not_retrained_error(done: Forgotten) -> AdrecError:
    """Return the error of models that could not be trained again, with the code and the hint of the first."""
    first = done.not_retrained[0]
    error = AdrecError(
        f"not trained again: {'; '.join(f'{one.name}: {one.reason}' for one in done.not_retrained)}", hint=first.hint
    )
    error.exit_code = ExitCode(first.exit_code)
    return error


def _show(terminal: Terminal, done: Forgotten, named: Path | None) -> None:
    if done.users and not (done.interactions or done.pending or done.generations):
        terminal.warn(
            f"{done.dataset} held no data of {say_count(done.users, 'user')}; later files will not bring any in"
        )
    for number in done.damaged:
        terminal.warn(f"generation {number} was damaged and is removed: its users could not be read")
    for one in done.learnt:
        terminal.warn(f"{one.path} {_describe_learnt(one)}")
    if any(one.apart for one in done.learnt):
        terminal.note("seeds and stages of sweeps are not trained again: remove their folders where they must not stay")
    if not all(one.apart for one in done.learnt):
        again = command("forget", done.dataset, retrain=True, workspace=named)
        terminal.note(f"to train models again from fresh weights: {again}")
    if done.users:
        terminal.note(f"the files they came in are not touched: {', '.join(done.sources)}; nor are HTML reports")
    if terminal.as_json:
        terminal.document(asdict(done))
        return
    terminal.line(
        f"{say_count(done.users, 'user')} of {done.dataset} forgotten: {say_count(done.interactions, 'interaction')}, "
        f"{say_count(done.pending, 'pending event')}, {say_count(len(done.generations), 'former generation')}, "
        f"{say_count(len(done.ranks), 'file')} of ranks, {say_count(len(done.batches), 'file')} of recommendations"
    )
    if done.retrained:
        terminal.line(f"trained again: {', '.join(done.retrained)}")


def _describe_learnt(one: Learnt) -> str:
    if one.certain:
        return "has learned from users who were forgotten"
    return "may have learned from users who were forgotten: not all that it was trained on is known any longer"
