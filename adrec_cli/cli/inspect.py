"""`adrec inspect`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetName
from adrec_cli.cli.show.sparkline import sparkline
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.inspecting.options import InspectOptions

if TYPE_CHECKING:
    from adrec_cli.inspecting.inspection import Inspection

EXAMPLES: Final = (
    "adrec inspect adrec sasrec --dataset grocery",
    "adrec inspect pretrain align finetune --dataset grocery",
    "adrec inspect finetune --item s00e00 -k 5",
)
_SPECTRUM_BARS = 7
_SPECTRUM = "the singular values, each dimension scaled to 1, largest first"
_LABELS = {
    "embedding_variance": "variance",
    "singular_value_entropy": "spectrum entropy",
    "singular_value_variance": "spectrum variance",
    "kl_to_gaussian": "KL to Gaussian",
    "kl_to_gaussian_unbounded": "KL unbounded",
}


def inspect(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CHECKPOINT]...", help="Checkpoints or models. [default: all models]",
                       show_default=False, autocompletion=completion.checkpoint_or_model),
    ] = None,
    *,
    options: InspectOptions,
    explain: Annotated[bool, typer.Option("--explain/--no-explain", help="Explain what each figure means.")] = True,
    dataset: DatasetName = None,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Show whether item vectors collapse: their figures for several models, side by side with noise."""
    from adrec_cli.pipeline import inspect as pipeline

    found = pipeline.inspect(names or [], workspace=common.workspace, dataset_name=dataset, options=options)
    _show(session.terminal, found, explain=explain)


def _show(terminal: Terminal, found: Inspection, *, explain: bool) -> None:
    from adrec_cli.diagnostics.embedding import TERMS

    for model in found.models:
        if model.warning:
            terminal.warn(f"{model.name}: {model.warning}")
    if found.without_silhouette:
        terminal.note("the silhouette needs scikit-learn: pip install 'adrec-cli[plots]'")
    if terminal.as_json:
        terminal.document({**asdict(found), "terms": dict(TERMS)})
        return
    _show_figures(terminal, found)
    _show_neighbours(terminal, found)
    if explain:
        terms = [*((_label(name), meaning) for name, meaning in TERMS.items()), ("spectrum", _SPECTRUM)]
        terminal.table(["figure", "meaning"], terms)


def _show_figures(terminal: Terminal, found: Inspection) -> None:
    from adrec_cli.diagnostics.embedding import TERMS

    columns = ["figure", *(model.name for model in found.models), "noise"]
    measured = [*(model.diagnostics for model in found.models), found.noise]
    rows = [[_label(name), *(str(getattr(one, name)) for one in measured)] for name in ("items", "width")]
    rows += [[_label(name), *(_figure(getattr(one, name)) for one in measured)] for name in TERMS]
    if terminal.draws:
        spectra = [sparkline(one.singular_values, _SPECTRUM_BARS, lowest=0) for one in measured]
        rows.append(["spectrum", *spectra])
    names = sorted({model.dataset for model in found.models})
    if found.about_sample:
        terminal.note(found.about_sample)
    terminal.table(columns, rows, title=f"Item vectors of {', '.join(names)}", right=columns[1:])


def _show_neighbours(terminal: Terminal, found: Inspection) -> None:
    titled = any(one.title is not None for model in found.models for one in model.neighbourhoods)
    columns = ["rank", "item", *(["title"] if titled else []), "cosine"]
    for model in found.models:
        for around in model.neighbourhoods:
            who = f"{around.item_id} {around.title or ''}".strip()
            rows = [
                [str(one.rank), one.item_id, *([one.title or ""] if titled else []), f"{one.cosine:.3f}"]
                for one in around.neighbours
            ]
            terminal.table(columns, rows, title=f"Nearest to {who}, {model.name}", right=["rank", "cosine"])


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _figure(value: float | None) -> str:
    """Return a number in seven cells at most."""
    if value is None:
        return "none"
    size = abs(value)
    if size >= 10_000 or 0 < size < 0.0005:
        return f"{value:.1e}"
    return f"{value:.{4 if size < 10 else 2 if size < 1000 else 0}f}"
