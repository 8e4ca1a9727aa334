"""`adrec card`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument
from adrec_cli.wording import say_count

EXAMPLES: Final = (
    "adrec card grocery",
    "adrec card grocery --model sasrec --licence mit --out README.md",
)


def card(
    dataset: DatasetArgument = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Model to describe. [default: the only one]",
            autocompletion=completion.model_names,
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", metavar="ID", help="Licence of the weights, as the Hub spells it: mit.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="File to write. [default: card-MODEL.md in the data set's reports]"
        ),
    ] = None,
    common: Common,
    session: Session,
) -> None:
    """Write a model card in the format of the Hugging Face Hub."""
    from adrec_cli.pipeline import card as pipeline

    made = pipeline.card(dataset, model_name=model, workspace=common.workspace, out=out, licence=licence)
    for line in made.left_out:
        session.terminal.warn(f"left out: {line}")
    if session.terminal.as_json:
        session.terminal.document(asdict(made))
        return
    session.terminal.line(f"{made.model}, stage {made.stage}, {say_count(made.evaluations, 'evaluation')}")
    session.terminal.line(f"stored in {made.path}")
