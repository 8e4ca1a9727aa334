"""`adrec datasets`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common
from adrec_cli.cli.show.terminal import Terminal

if TYPE_CHECKING:
    from adrec_cli.data.datasets import DatasetSpec, Expected


def list_datasets(ctx: typer.Context, *, common: Common, session: Session) -> None:
    """List the named data sets, or show one."""
    if ctx.invoked_subcommand is not None:
        return
    from adrec_cli.data.datasets import dataset_names, load_dataset_spec

    here = Workspace(common.workspace).datasets()
    specs = [load_dataset_spec(name) for name in dataset_names()]
    if session.terminal.as_json:
        listed = [
            {"name": s.name, "title": s.title, "licence": s.licence, "preprocessed": s.name in here} for s in specs
        ]
        session.terminal.document({"datasets": listed})
        return
    rows = [
        (spec.name, "yes" if spec.name in here else "no", _count(spec.expected.interactions), spec.title)
        for spec in specs
    ]
    session.terminal.table(["name", "here", "interactions", "title"], rows, right=["interactions"])


def show_dataset(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the data set.", autocompletion=completion.named_dataset)
    ],
    *,
    common: Common,
    session: Session,
) -> None:
    """Show a data set's licence, source, filters and expected statistics."""
    from adrec_cli.data.datasets import load_dataset_spec

    spec = load_dataset_spec(name)
    if session.terminal.as_json:
        session.terminal.document(asdict(spec))
        return
    _show(session.terminal, spec)


def _show(terminal: Terminal, spec: DatasetSpec) -> None:
    described = ("title", "licence", "citation", "homepage", "notes")
    rows = [(name, text) for name in described if (text := str(getattr(spec, name)))]
    rows += [("files", " + ".join(form.files)) for form in spec.sources]
    for form in spec.sources:
        if form.url:
            rows += [("download", form.url), ("its sha256", form.sha256 or "not known; see --download-sha256")]
    rows += [("item file", " + ".join(form.files)) for form in spec.items]
    terminal.table(["about", spec.name], rows)
    cuts = [("default", spec.filters, spec.expected), *((n, v.filters, v.expected) for n, v in spec.variants.items())]
    chosen = [
        (name, ", ".join(f"{key} {value}" for key, value in asdict(filters).items() if value is not None) or "none",
         *_counts(expected), expected.source)
        for name, filters, expected in cuts
    ]  # fmt: skip
    terminal.table(["cut", "filters", "users", "items", "interactions", "expected by"], chosen)


def _counts(expected: Expected) -> tuple[str, str, str]:
    return _count(expected.users), _count(expected.items), _count(expected.interactions)


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"
