"""A data set's files exchanged for those that came from elsewhere, so that no reader sees half of what goes together.

Each file changes at once, and those that others name are there before them: data before models, models before
`current.json`. A pull that is killed meanwhile leaves what a killed night leaves: new data, and perhaps older models.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from adrec_cli.artifacts.atomic import replacing, storage_error
from adrec_cli.artifacts.changing import recover_dataset
from adrec_cli.artifacts.dataset import commit_dataset, file_names, next_path
from adrec_cli.artifacts.evaluation import (
    evaluation_of,
    first_ranks_path,
    read_evaluation,
    settle_evaluation,
)
from adrec_cli.artifacts.generations import link_or_copy, making_generation
from adrec_cli.artifacts.lock import one_at_a_time
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.artifacts.sweep_files import first_results_path, settle_sweep
from adrec_cli.errors import ArtifactError
from adrec_cli.moving.inventory import Inventory
from adrec_cli.moving.kinds import DATA, GENERATION, KINDS, RESULT, SWEEP, find_kind
from adrec_cli.schema import MANIFEST_FILE, RANKS_SUFFIX, REPORTS_FOLDER, RESULTS_FILE


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What takes the place of a data set's files.

    Attributes:
        manifest: of the data set that came.
        inventory: of all that came.
        contents: where each content is here, by its hash.
    """

    manifest: Manifest
    inventory: Inventory
    contents: Mapping[str, Path]

    def find(self, path: str) -> Path:
        """Return where the content is that belongs to a path in the data set's folder."""
        return self.contents[self.inventory.hashes[path]]


def exchange_files(folder: Path, arrival: Arrival, paths: Iterable[str]) -> None:
    """Put files into a data set's folder that are not there, or are others.

    Args:
        folder: of the data set; the caller holds its lock and all in it.
        arrival: what came.
        paths: of the files that change.

    Raises:
        StorageError: the file system refused; what is there is whole, and the same call goes on.
    """
    by_kind: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for path in sorted(paths):
        by_kind[find_kind(path) or DATA].append(path)
    for kind, changing in by_kind.items():
        if kind == DATA and changing:
            _exchange_data(folder, arrival)
        elif kind == GENERATION:
            _exchange_generations(folder, arrival, changing)
        elif kind == RESULT and changing:
            with one_at_a_time(folder / REPORTS_FOLDER):
                _exchange_results(folder, arrival, changing)
        elif kind == SWEEP:
            _exchange_sweeps(folder, arrival, changing)
        else:
            for path in changing:
                _put(folder, arrival, path)


def _exchange_data(folder: Path, arrival: Arrival) -> None:
    try:
        for name in file_names(arrival.manifest):
            link_or_copy(arrival.find(name), next_path(folder, name))
    except OSError as error:
        raise storage_error("write", folder, error) from error
    commit_dataset(folder, arrival.manifest, written=arrival.find(MANIFEST_FILE))
    # What has two names in the folder stays under both until here.
    recover_dataset(folder)


def _exchange_generations(folder: Path, arrival: Arrival, changing: Iterable[str]) -> None:
    for place in sorted({PurePosixPath(path).parent for path in changing}):
        with making_generation(folder, int(place.name)) as making:
            for path in arrival.inventory.hashes:
                if PurePosixPath(path).parent == place:
                    link_or_copy(arrival.find(path), making / PurePosixPath(path).name)


def _exchange_results(folder: Path, arrival: Arrival, changing: Iterable[str]) -> None:
    """Put results; ranks first under the name by which their evaluation, which is put next, finds them."""
    hashes = arrival.inventory.hashes
    ranks = {
        path: first_ranks_path(evaluation_of(folder / path), hashes[path])
        for path in changing
        if path.endswith(RANKS_SUFFIX)
    }
    _put_under_first_names(folder, arrival, changing, ranks)
    for path in ranks:
        evaluation = evaluation_of(folder / path)
        with contextlib.suppress(ArtifactError):
            settle_evaluation(evaluation, read_evaluation(evaluation))
        _put(folder, arrival, path)


def _exchange_sweeps(folder: Path, arrival: Arrival, changing: Iterable[str]) -> None:
    """Put what sweeps left; figures first under the name by which their record, which is put next, finds them."""
    hashes = arrival.inventory.hashes
    figures = {
        path: first_results_path((folder / path).parent, hashes[path])
        for path in changing
        if PurePosixPath(path).name == RESULTS_FILE
    }
    _put_under_first_names(folder, arrival, changing, figures)
    for path in figures:
        settle_sweep((folder / path).parent, hashes[path])


def _put_under_first_names(folder: Path, arrival: Arrival, changing: Iterable[str], first: Mapping[str, Path]) -> None:
    """Put files under the first names that some of them have, and then the others in their places."""
    for path, name in first.items():
        with replacing(name, lasting=False) as temporary:
            link_or_copy(arrival.find(path), temporary)
    for path in changing:
        if path not in first:
            _put(folder, arrival, path)


def _put(folder: Path, arrival: Arrival, path: str) -> None:
    with replacing(folder / path) as temporary:
        link_or_copy(arrival.find(path), temporary)
