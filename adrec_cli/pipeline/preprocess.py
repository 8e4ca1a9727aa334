"""`adrec preprocess`: raw interactions to sequences.parquet, items.parquet and manifest.json."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from adrec_cli import __version__
from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.manifest import Manifest, read_manifest, verify_dataset, write_manifest
from adrec_cli.data.collecting import ReadOptions, ReadReport
from adrec_cli.data.cuts import make_cut
from adrec_cli.data.dataset_files import item_table, statistics, write_dataset_files
from adrec_cli.data.datasets import Expected, ItemFile
from adrec_cli.data.decoding import decode
from adrec_cli.data.demo import demo_interactions, demo_metadata
from adrec_cli.data.filters import FilterApplied
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.item_metadata import MetadataColumns, join_metadata, read_metadata
from adrec_cli.data.options import PreprocessOptions, Settings
from adrec_cli.data.plan import Plan, describe_sources, make_plan
from adrec_cli.data.reading import read_interactions
from adrec_cli.data.recognition import Table, recognise
from adrec_cli.errors import AdrecError, InputError

__all__ = ["PreprocessOptions", "PreprocessResult", "preprocess"]

SCRATCH_FOLDER = ".scratch"
DEFAULTS = PreprocessOptions()


@dataclass(frozen=True, kw_only=True)
class PreprocessResult:
    """What preprocessing made, or found to be made already.

    Attributes:
        folder: of the data set in the workspace.
        manifest: what it is.
        warnings: lines to show the user.
        skipped: whether nothing was done because sources, options and version are unchanged.
        removed: what each filter left out, in order; empty if skipped.
        notes: what was found or assumed about the source.
    """

    folder: Path
    manifest: Manifest
    warnings: list[str]
    skipped: bool
    removed: list[FilterApplied]
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A source as it was read."""

    interactions: Interactions
    report: ReadReport
    metadata: pl.DataFrame | None
    metadata_source: str
    found: dict[str, Any]


def preprocess(
    source: str,
    *,
    workspace: Path,
    raw: Path | None = None,
    options: PreprocessOptions = DEFAULTS,
    force: bool = False,
    on_event: Callable[[object], None] = lambda event: None,
) -> PreprocessResult:
    """Make `workspace/NAME/` with sequences.parquet, items.parquet and manifest.json from raw interactions.

    Users stand in ascending order of their ids, items are numbered from 1 in ascending order of theirs: as numbers if
    all ids are whole numbers, else by code point. The same input gives the same bytes.

    Args:
        source: a named data set, or the path of a file, a folder of parts, or a glob.
        workspace: folder of all data sets.
        raw: folder where files of named data sets are looked for before anything is downloaded.
        options: columns, filters, split; None in them means the data set's default.
        force: make it again even if nothing has changed.
        on_event: gets `DownloadProgress` and `FilterApplied`.

    Raises:
        InputError: the source is missing or bad, or nothing is left of it.
        UsageError: options are wrong.
        StorageError: reading or writing failed.
    """
    plan = make_plan(source, workspace=workspace, raw=raw, options=options, on_event=on_event)
    folder = workspace / plan.dataset
    sources, parameters = describe_sources(plan), plan.settings.parameters()
    if not force:
        manifest = _unchanged(folder, sources, parameters)
        if manifest is not None:
            return PreprocessResult(folder=folder, manifest=manifest, warnings=[], skipped=True, removed=[], notes=[])
    with _scratch(workspace) as scratch:
        read = _read_generated() if plan.generated else _read_files(plan, scratch)
    cut = make_cut(read.interactions, plan.settings, _left_out_reading(read.report, plan.settings))
    for applied in cut.removed:
        on_event(applied)
    indices = np.arange(1, len(cut.interactions.item_ids) + 1, dtype=np.int32)
    items, warnings = item_table(cut.interactions, cut.bounds, indices), bad_row_lines(read.report)
    if read.metadata is not None:
        items, more = join_metadata(items, read.metadata, read.metadata_source)
        warnings += more
    written = write_dataset_files(folder, cut.interactions, cut.bounds, items, indices)
    manifest = Manifest(
        dataset=plan.dataset,
        sources=sources,
        parameters={**parameters, "found": {**read.found, "split": cut.split}},
        statistics=statistics(cut.interactions, timed=read.report.timed),
        sequences_sha256=written.sequences_sha256,
        items_sha256=written.items_sha256,
        adrec_version=__version__,
    )
    write_manifest(folder, manifest)
    return PreprocessResult(
        folder=folder,
        manifest=manifest,
        warnings=warnings + compare_with_expected(manifest.statistics, plan.expected),
        skipped=False,
        removed=cut.removed,
        notes=read.report.notes,
    )


def compare_with_expected(numbers: dict[str, Any], expected: Expected | None) -> list[str]:
    """Return a warning for each count that differs from the published one."""
    if expected is None:
        return []
    return [
        f"{name}: {numbers[name]:,}, expected {wanted:,} ({expected.source})"
        for name in ("users", "items", "interactions")
        if (wanted := getattr(expected, name)) is not None and numbers[name] != wanted
    ]


def _unchanged(folder: Path, sources: list[dict[str, Any]], parameters: dict[str, Any]) -> Manifest | None:
    """Return the manifest of a data set that is whole and made from the same by the same version."""
    try:
        manifest = read_manifest(folder)
        verify_dataset(folder, manifest)
    except AdrecError:
        return None
    known = {key: value for key, value in manifest.parameters.items() if key != "found"}
    same = manifest.sources == sources and known == parameters and manifest.adrec_version == __version__
    return manifest if same else None


@contextmanager
def _scratch(workspace: Path) -> Iterator[Path]:
    """Yield a temporary folder beside the data sets, on the same disk."""
    parent = workspace / SCRATCH_FOLDER
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            yield Path(folder)
        parent.rmdir()
    except OSError as error:
        raise storage_error("write", parent, error) from error


def _read_generated() -> _Read:
    interactions = demo_interactions()
    report = ReadReport(rows=len(interactions), timed=True)
    return _Read(
        interactions=interactions, report=report, metadata=demo_metadata(), metadata_source="the generator", found={}
    )


def _read_files(plan: Plan, scratch: Path) -> _Read:
    tables = [_recognise(path, plan, scratch) for path in plan.paths]
    _check_alike(tables)
    options = _read_options(plan.settings)
    interactions, report = read_interactions(tables, options, parts=plan.parts, scratch=scratch)
    path = plan.item_path
    return _Read(
        interactions=interactions,
        report=report,
        metadata=None if path is None else _read_items(path, plan.item_form, scratch),
        metadata_source="" if path is None else path.name,
        found=_findings(tables, report),
    )


def _left_out_reading(report: ReadReport, settings: Settings) -> list[FilterApplied]:
    left_out = [FilterApplied(name="bad_rows", interactions=report.bad)] if report.bad else []
    if settings.min_rating is not None:
        left_out.append(FilterApplied(name="min_rating", interactions=report.below_rating))
    return left_out


def _recognise(path: Path, plan: Plan, scratch: Path) -> Table:
    settings = plan.settings
    decoded = decode(path, encoding=settings.encoding, scratch=scratch)
    columns = plan.form.columns if plan.form is not None and plan.form.columns else None
    return recognise(decoded, separator=settings.separator, header=settings.header, columns=columns)


def _check_alike(tables: list[Table]) -> None:
    first = tables[0]
    for table in tables[1:]:
        if (table.layout, table.columns) != (first.layout, first.columns):
            raise InputError(
                f"{table.path} differs from {first.path.name}: {table.layout} with {', '.join(table.columns)}, "
                f"expected {first.layout} with {', '.join(first.columns)}",
                hint="name only files of one form; metadata of items goes to --items",
            )


def _read_options(settings: Settings) -> ReadOptions:
    return ReadOptions(
        user=settings.user_column,
        item=settings.item_column,
        timestamp=settings.timestamp_column,
        rating=settings.rating_column,
        unit=settings.timestamp_unit,
        min_rating=settings.min_rating,
        on_bad_row=settings.on_bad_row,
    )


def _read_items(path: Path, form: ItemFile | None, scratch: Path) -> pl.DataFrame:
    decoded = decode(path, encoding=(form and form.encoding) or None, scratch=scratch)
    if form is None:
        return read_metadata(recognise(decoded), MetadataColumns(), scratch=scratch)
    table = recognise(decoded, separator=form.separator or None, header=form.header, columns=form.columns or None)
    columns = MetadataColumns(
        item=form.item or None,
        title=form.title or None,
        category=form.category or None,
        category_flags=form.category_flags,
        keep=form.keep,
    )
    return read_metadata(table, columns, scratch=scratch)


def _findings(tables: list[Table], report: ReadReport) -> dict[str, Any]:
    first = tables[0]
    return {
        "layout": first.layout,
        "columns": list(first.columns),
        "encoding": first.decoded.encoding,
        "compression": first.decoded.compression,
        "time": report.time,
        "bad_rows": report.bad,
    }


def bad_row_lines(report: ReadReport) -> list[str]:
    """Return the warnings about rows that were left out because they could not be read."""
    if not report.bad:
        return []
    shown = [f"left out: {example}" for example in report.examples]
    return [f"{report.bad:,} bad rows were left out of {report.rows:,}", *shown]
