"""`adrec convert`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument

EXAMPLES: Final = (
    "adrec convert grocery --to recbole --out for-recbole",
    "adrec convert shop --to csv --out shop-csv",
)


def convert(
    dataset: DatasetArgument = None,
    *,
    to: Annotated[
        str,
        typer.Option("--to", metavar="csv|recbole|rectools|s3rec", help="Format of the files.",
                     autocompletion=completion.among(["csv", "recbole", "rectools", "s3rec"])),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files.", file_okay=False)],
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Write a data set with its split for another library; adrec preprocess reads it back as it is."""
    from adrec_cli.pipeline import convert as pipeline

    done = pipeline.convert(dataset, to=to, out=out, workspace=common.workspace)
    if session.terminal.as_json:
        session.terminal.document(asdict(done))
        return
    for path in done.files:
        session.terminal.line(str(path))
    session.terminal.note(f"to read it back: {done.command}")
