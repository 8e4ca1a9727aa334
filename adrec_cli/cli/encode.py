"""`adrec encode`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument, Wait
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.content.options import EncodeOptions
from adrec_cli.wording import inflect, say_count

if TYPE_CHECKING:
    from adrec_cli.content.encoding import EncodeResult


EXAMPLES: Final = (
    "adrec encode shop",
    "adrec encode shop --encoder tfidf=title,description --encoder numbers=price",
)


def encode(
    dataset: DatasetArgument = None,
    *,
    options: EncodeOptions,
    wait: Wait = 0.0,
    common: Common,
    session: Session,
) -> None:
    """Turn the texts, categories and numbers of a data set's items into vectors for model.content."""
    from adrec_cli.artifacts.lock import Waiting
    from adrec_cli.cli.show.progress import Progress
    from adrec_cli.pipeline import encode as pipeline

    with Progress(session.terminal) as progress:
        waiting = Waiting(seconds=wait, on_event=progress)
        done = pipeline.encode(dataset, workspace=common.workspace, options=options, waiting=waiting)
    _show(session.terminal, done)


def _show(terminal: Terminal, done: EncodeResult) -> None:
    for text in done.assumptions:
        terminal.note(f"assumed: {text}")
    for text in done.warnings:
        terminal.warn(text)
    for part in done.encoders:
        if part.silent:
            columns = ", ".join(part.columns)
            terminal.warn(
                f"{part.silent:,} of {say_count(done.items, 'item')} "
                f"{inflect(part.silent, 'has', 'have')} no value in {columns} ({part.encoder})"
            )
    if done.silent:
        terminal.warn(
            f"nothing is known about {done.silent:,} of {say_count(done.items, 'item')}; their vectors are zeros"
        )
    if terminal.as_json:
        terminal.document(asdict(done))
        return
    made = ", ".join(f"{part.encoder} of {', '.join(part.columns)} ({part.width})" for part in done.encoders)
    terminal.line(
        f"{done.path}: {say_count(done.items, 'item')}, {say_count(done.width, 'entry', 'entries')} each: {made}"
    )
