"""How many settings of each model sweeps and searches on a data set have tried: what a fair comparison must tell."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.damaged import read_each
from adrec_cli.artifacts.json_files import read_json_object, take_checksum
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.sweep_files import read_sweep, sweep_folders
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import SWEEPS_FOLDER
from adrec_cli.sweeping.trials import Trial, read_trials


def search_files(dataset_folder: Path) -> list[Path]:
    """Return what searches on a data set say of themselves, sorted by name."""
    return sorted(matching_paths(dataset_folder / SWEEPS_FOLDER, "*/search.json"))


def read_search(path: Path) -> tuple[dict[str, Any], list[Trial]]:
    """Return what a search records, and its trials.

    Raises:
        ArtifactError: damaged.
        StorageError: unreadable.
    """
    about = read_json_object(path, hint="search again")
    if not take_checksum(about, "search_sha256"):
        raise ArtifactError(f"{path} is damaged: its content does not match its own checksum")
    return about, read_trials(path.with_name(Path(str(about["trials"])).name))


def count_tried(dataset_folder: Path) -> tuple[Counter[str], list[str]]:
    """Return the number of settings tried of each model, seeds aside, and a message for each record that is damaged."""
    found: Counter[str] = Counter()
    damaged: list[str] = []
    for _, (record, _) in read_each(sweep_folders(dataset_folder), read_sweep, damaged):
        found[record.model] += len({run["run"] for run in record.runs})
    for _, (about, trials) in read_each(search_files(dataset_folder), read_search, damaged):
        found[str(about["model"])] += len(trials)
    return found, damaged
