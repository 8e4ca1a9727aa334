"""`adrec export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetName
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import UsageError
from adrec_cli.recommending.graph_options import ALL_SCORES, GraphOptions
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.pipeline.export_vectors import ExportedVectors

EXAMPLES: Final = (
    "adrec export adrec.onnx",
    "adrec export top.onnx -k 10",
    "adrec export sasrec.pt2 --model sasrec",
    "adrec export items.parquet --vectors items",
)


def export(
    out: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File to write: .onnx, .pt2 for torch.export; .parquet, .npy for vectors."),
    ],
    *,
    vectors: Annotated[
        str | None,
        typer.Option("--vectors", metavar="items|users", autocompletion=completion.among(["items", "users"]),
                     help="Vectors to write, whose inner products are the scores. [default: the whole model]"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Model or checkpoint. [default: the promoted one]",
                     autocompletion=completion.checkpoint_or_model),
    ] = None,
    graph: GraphOptions,
    dataset: DatasetName = None,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Write a model as a graph from histories to scores, checked against PyTorch, or the vectors of items or users."""
    if vectors is not None:
        if graph != ALL_SCORES:
            raise UsageError("-k and --include-seen are of a graph, not of vectors", hint="leave them out")
        from adrec_cli.pipeline.export_vectors import export_vectors

        _show_vectors(
            session.terminal,
            export_vectors(out, vectors=vectors, workspace=common.workspace, dataset_name=dataset, model=model),
        )
        return
    from adrec_cli.pipeline import export as pipeline

    done = pipeline.export(out, workspace=common.workspace, dataset_name=dataset, model=model, options=graph)
    if session.terminal.as_json:
        session.terminal.document(asdict(done))
        return
    what = "scores" if graph.k is None else f"{say_count(graph.k, 'best item')}"
    session.terminal.line(f"{done.path} gives the {what} of {done.model}, to within {done.difference:.1e}")
    session.terminal.line(f"{done.items_path} has the item of each number")
    if done.data_path is not None:
        session.terminal.line(
            f"{done.data_path} has the weights, which are too large for one file; keep it beside the graph"
        )


def _show_vectors(terminal: Terminal, done: ExportedVectors) -> None:
    for text in done.assumptions:
        terminal.note(f"assumed: {text}")
    for text in done.warnings:
        terminal.warn(text)
    if done.without_history:
        terminal.warn(
            f"{say_count(done.without_history, 'user')} without an item that the model knows, and so without a vector"
        )
    if terminal.as_json:
        terminal.document(asdict(done))
        return
    terminal.line(
        f"{done.path}: {say_count(done.rows, done.vectors.removesuffix('s'))}, "
        f"{say_count(done.width, 'entry', 'entries')} each, of {done.model}"
    )
    if done.ids_path is not None:
        terminal.line(f"{done.ids_path} has the id of each row")
