"""`adrec datasets`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.cli import completion
from adrec_cli.cli.command import CommandGroup, Session, add_command, typeable
from adrec_cli.cli.options.common import Common
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.wording import command

if TYPE_CHECKING:
    from adrec_cli.data.datasets import DatasetSpec, Expected
    from adrec_cli.data.named_datasets import ListedDataset

_LICENCE_WIDTH = 32


def list_datasets(ctx: typer.Context, *, common: Common, session: Session) -> None:
    """List the named data sets, show one, or add one of your own."""
    if ctx.invoked_subcommand is not None:
        return
    from adrec_cli.data.named_datasets import list_named

    here = Workspace(common.workspace).datasets()
    listed, damaged = list_named(common.workspace)
    for error in damaged:
        session.terminal.warn(error)
    if session.terminal.as_json:
        found = [{**asdict(one), "preprocessed": one.name in here} for one in listed]
        session.terminal.document({"datasets": found})
        return
    columns = ["name", "here", "files", "size", "checked", "interactions", "licence", "title"]
    session.terminal.table(
        columns,
        [_row(one, one.name in here) for one in listed],
        right=["interactions", "size"],
        optional=["licence", "interactions", "checked"],
    )


def show_dataset(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the data set.", autocompletion=completion.dataset_name)
    ],
    *,
    common: Common,
    session: Session,
) -> None:
    """Show a data set's licence, source, filters and expected statistics."""
    from adrec_cli.data.named_datasets import describe_dataset

    spec = describe_dataset(name)
    if session.terminal.as_json:
        session.terminal.document(asdict(spec))
        return
    _show(session.terminal, spec)


def add_dataset(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file named like the data set.", dir_okay=False)],
    *,
    common: Common,
    session: Session,
) -> None:
    """Add a TOML file of your own as a named data set, for every workspace."""
    from adrec_cli.data.named_datasets import add_own_dataset

    added = add_own_dataset(path)
    if session.terminal.as_json:
        session.terminal.document({"name": added.name, "path": str(added.path)})
        return
    session.terminal.line(f"{added.name} is a named data set now: {command('preprocess', added.source)}")
    session.terminal.note(f"its description is kept in {added.path}; remove that file to take it back")


def _row(one: ListedDataset, preprocessed: bool) -> list[str]:
    size = "?" if one.bytes is None else f"{one.bytes / 1e6:,.1f} MB"
    licence = one.licence if len(one.licence) <= _LICENCE_WIDTH else f"{one.licence[: _LICENCE_WIDTH - 1]}…"
    return [
        one.source, "yes" if preprocessed else "no", one.files, "" if one.files in ("by hand", "generated") else size,
        "yes" if one.checked else "no", _count(one.interactions), licence, one.title,
    ]  # fmt: skip


def _show(terminal: Terminal, spec: DatasetSpec) -> None:
    described = ("title", "licence", "citation", "homepage", "notes", "by_hand")
    rows = [(name.replace("_", " "), text) for name in described if (text := str(getattr(spec, name)))]
    if spec.parameter is not None:
        rows.append(("one of", ", ".join(spec.parameter.values)))
    rows += [("files", " + ".join(form.files)) for form in spec.sources]
    # An item file in the archive of the interactions is shown with it.
    apart = [one for form in spec.items if not form.members for one in form.published]
    for one in (*(one for form in spec.sources for one in form.published), *apart):
        rows += [("download", url) for url in one.urls]
        known = one.sha256 or (one.git_blob and f"git blob {one.git_blob}") or (one.md5 and f"md5 {one.md5}")
        filled = spec.parameter is not None and "named with a value"
        rows.append(("its sha256", known or filled or "not known; see --download-sha256"))
    rows += [("item file", " + ".join(form.files)) for form in spec.items]
    rows += [("negatives", f"--negatives {spec.name}:{part}") for part in spec.negatives]
    terminal.table(["about", spec.name], rows)
    cuts = [("default", spec.filters, spec.expected), *((n, v.filters, v.expected) for n, v in spec.variants.items())]
    chosen = [
        (name, ", ".join(f"{key} {_format_value(value)}" for key, value in asdict(filters).items() if value is not None)
         or "none", *_counts(expected), expected.source, "yes" if expected.checked else "no")
        for name, filters, expected in cuts
    ]  # fmt: skip
    terminal.table(["cut", "filters", "users", "items", "interactions", "expected by", "checked"], chosen)


def _format_value(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _counts(expected: Expected) -> tuple[str, str, str]:
    return _count(expected.users), _count(expected.items), _count(expected.interactions)


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


datasets: Final = typer.Typer(name="datasets", cls=CommandGroup, add_completion=False)
datasets.callback(invoke_without_command=True)(typeable(list_datasets))
add_command(datasets, show_dataset, panel="Commands", name="show", examples=["adrec datasets show grocery"])
add_command(datasets, add_dataset, panel="Commands", name="add", examples=["adrec datasets add shop.toml"])
