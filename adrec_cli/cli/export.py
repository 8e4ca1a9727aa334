"""`adrec export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetName

EXAMPLES: Final = (
    "adrec export adrec.onnx",
    "adrec export sasrec.pt2 --model sasrec",
)


def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="File to write: .onnx, or .pt2 for torch.export.")],
    *,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Model or checkpoint [default: the promoted one].",
                     autocompletion=completion.checkpoint_or_model),
    ] = None,
    dataset: DatasetName = None,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Write ADRec at one step, or SASRec, as a graph from histories to scores, checked against PyTorch's."""
    from adrec_cli.pipeline import export as pipeline

    done = pipeline.export(out, workspace=common.workspace, dataset_name=dataset, model=model)
    if session.terminal.as_json:
        session.terminal.document(asdict(done))
        return
    session.terminal.line(f"{done.path} gives the scores of {done.model}, to within {done.difference:.1e}")
    session.terminal.line(f"{done.items_path} has the item of each score")
    if done.data_path is not None:
        session.terminal.line(
            f"{done.data_path} has the weights, which are too large for one file; keep it beside the graph"
        )
