"""`adrec convert`: a preprocessed data set in the form of another library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from adrec_cli.artifacts.dataset import DatasetFiles
from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.artifacts.repairing import advise_repair
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.data.interchange import FORMS, Exchanged
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.opening import read_dataset
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class ConvertResult:
    """What was written.

    Attributes:
        dataset: that was converted.
        form: of the files.
        files: in the order they were written.
        command: that makes the data set of them again.
    """

    dataset: str
    form: str
    files: tuple[Path, ...]
    command: str


def convert(dataset: str | None = None, *, to: str, out: Path, workspace: Path) -> ConvertResult:
    """Write a data set's events, split and items for another library; `adrec preprocess` reads them back as they are.

    Args:
        dataset: in the workspace; None takes the only one.
        to: a name in `FORMS`.
        out: folder for the files.
        workspace: folder of all data sets.

    Raises:
        UsageError: the form is unknown, or a file would replace an artifact.
        InputError: the form cannot hold the data set.
        ArtifactError: the data set is missing or damaged. StorageError: it cannot be written.
    """
    if to not in FORMS:
        raise UsageError(f"{option('to', to)} is unknown", hint=f"one of: {', '.join(FORMS)}")
    folder = Workspace(workspace).dataset_folder(dataset)
    manifest, (sequences, items) = read_dataset(folder, _read_tables)
    data = Exchanged(
        name=manifest.dataset,
        sequences=sequences,
        items=items,
        timed=manifest.statistics["first_time"] is not None,
        keep_blanks=bool(manifest.parameters.get("keep_blanks")),
        sources=manifest.sources,
    )
    written = FORMS[to](data, out)
    return ConvertResult(dataset=manifest.dataset, form=to, files=written.files, command=written.command)


def _read_tables(manifest: Manifest, files: DatasetFiles) -> tuple[pl.DataFrame, pl.DataFrame]:
    try:
        return pl.read_parquet(literal(files.sequences)), pl.read_parquet(literal(files.items))
    except (pl.exceptions.PolarsError, OSError) as error:
        folder = files.items.parent
        raise ArtifactError(f"{folder}: {str(error).splitlines()[0]}", hint=advise_repair(folder)) from error
