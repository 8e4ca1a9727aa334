"""`adrec preprocess`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, Force, Raw, Source, Wait, find_typed
from adrec_cli.cli.options.preprocess import Preprocessing, preprocess_options
from adrec_cli.cli.show.terminal import Terminal

if TYPE_CHECKING:
    from adrec_cli.data.filter_applied import FilterApplied
    from adrec_cli.pipeline.preprocess import PreprocessPreview, PreprocessResult

EXAMPLES: Final = (
    "adrec preprocess grocery --raw downloads",
    "adrec preprocess shop.csv --user-column customer --item-column sku --timestamp-column 3",
    "adrec preprocess shop --sql 'SELECT user_id, item_id, time FROM events' --database shop.duckdb",
    "adrec preprocess ml-1m --split time --valid-from 2000-11-01 --test-from 2000-12-01",
)
CELL_WIDTH = 40
"""Characters of a cell that the first rows show."""


def preprocess(
    source: Source,
    *,
    preprocessing: Preprocessing,
    raw: Raw = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be made, and write nothing.")] = False,
    force: Force = False,
    wait: Wait = 0.0,
    common: Common,
    session: Session,
) -> None:
    """Turn raw interactions into sequences.parquet, items.parquet and manifest.json."""
    from adrec_cli.artifacts.lock import Waiting
    from adrec_cli.cli.show.progress import Progress
    from adrec_cli.data.source_names import require_raw_searched
    from adrec_cli.pipeline import preprocess as pipeline

    require_raw_searched(source, find_typed(raw))
    options = preprocess_options(preprocessing, common.workspace)
    if dry_run:
        seen = pipeline.preview(source, workspace=common.workspace, raw=raw, options=options)
        _show_preview(session.terminal, seen)
        return
    with Progress(session.terminal) as progress:
        result = pipeline.preprocess(
            source, workspace=common.workspace, raw=raw, options=options, force=force,
            waiting=Waiting(seconds=wait, on_event=progress), on_event=progress,
        )  # fmt: skip
    _show(session.terminal, result)


def _show(terminal: Terminal, result: PreprocessResult) -> None:
    manifest = result.manifest
    for warning in result.warnings:
        terminal.warn(warning)
    for note in result.notes:
        terminal.note(note)
    if result.skipped:
        terminal.note(f"{manifest.dataset} is up to date; --force makes it again")
    if terminal.as_json:
        terminal.document(asdict(result))
        return
    show_statistics(terminal, manifest.dataset, manifest.statistics)
    _show_removed(terminal, result.removed)
    terminal.line(f"stored in {result.folder}")


def _show_preview(terminal: Terminal, seen: PreprocessPreview) -> None:
    for warning in seen.warnings:
        terminal.warn(warning)
    for note in seen.notes:
        terminal.note(note)
    if terminal.as_json:
        terminal.document(asdict(seen))
        return
    found = [(name.replace("_", " "), _format_found(value)) for name, value in seen.found.items() if value is not None]
    terminal.table(["found", "value"], found, title="Source")
    terminal.table(seen.columns, [[_shorten(cell) for cell in row] for row in seen.head], title="First rows")
    _show_sequences(terminal, seen.sequences)
    show_statistics(terminal, seen.dataset, seen.statistics)
    _show_removed(terminal, seen.removed)
    terminal.line("nothing was written")


def _show_sequences(terminal: Terminal, sequences: list[dict[str, Any]]) -> None:
    """Show what a person checks a reading by: who did what, in which order."""
    rows = []
    for sequence in sequences:
        times = sequence["times"] or [""] * len(sequence["items"])
        events = [f"{_shorten(item)} ({time})" if time else _shorten(item)
                  for item, time in zip(sequence["items"], times, strict=True)]  # fmt: skip
        more = [f"... {sequence['length']} in all"] if sequence["length"] > len(events) else []
        rows.append([_shorten(sequence["user_id"]), ", ".join([*events, *more])])
    terminal.table(["user", "items in order"], rows, title="First users")


def _format_found(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_format_found(entry)}" for name, entry in value.items() if entry is not None)
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _shorten(cell: str) -> str:
    """Leave of a long text, such as a review, what is needed to know it again."""
    return cell if len(cell) <= CELL_WIDTH else f"{cell[: CELL_WIDTH - 1]}…"


def show_statistics(terminal: Terminal, dataset: str, numbers: dict[str, Any]) -> None:
    """Print the statistics of a data set."""
    rows = [(name.replace("_", " "), _number(value)) for name, value in numbers.items()]
    terminal.table(["statistic", "value"], rows, title=dataset, right=["value"])


def _show_removed(terminal: Terminal, removed: list[FilterApplied]) -> None:
    rows = [
        (step.name.replace("_", " "), f"{step.interactions:,}", f"{step.users:,}", f"{step.items:,}")
        for step in removed
        if step.interactions
    ]
    if rows:
        columns = ["left out by", "interactions", "users", "items"]
        terminal.table(columns, rows, title="Left out", right=columns[1:])


def _number(value: object) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else str(value)
