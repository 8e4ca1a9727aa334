"""What a source comes to when it is read and cut, before anything of it is written."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.data.cuts import Cut
from adrec_cli.data.dataset_files import WrittenFiles, item_table, statistics, write_dataset_files
from adrec_cli.data.datasets import Expected
from adrec_cli.data.filter_applied import FilterApplied
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.moments import warn_of_empty_parts
from adrec_cli.data.pending import Pending
from adrec_cli.data.plan import Plan
from adrec_cli.data.reading.item_metadata import join_metadata
from adrec_cli.data.reading.source_content import SourceContent
from adrec_cli.data.update_notes import count_parts, tell_parts, tell_waiting, warn_of_losses, warn_of_parts
from adrec_cli.data.updating import Existing, add_vanished, continue_indices, continue_metadata


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a source comes to, before anything of it is written.

    Attributes:
        plan: what was to be done.
        existing: the data set that is added to; None for a new one.
        content: what was read.
        cut: what is kept of it, and how it is split.
    """

    plan: Plan
    existing: Existing | None
    content: SourceContent[Interactions]
    cut: Cut

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return self.plan.dataset if self.existing is None else self.existing.manifest.dataset

    @property
    def found(self) -> dict[str, Any]:
        """What was found out about the source, and how it was split."""
        return {**self.content.found, **self.cut.describe()}

    @property
    def removed(self) -> list[FilterApplied]:
        """What each filter left out, in order."""
        return self.cut.removed

    @property
    def pending(self) -> Pending | None:
        """What waits for updates; nothing of a data set without times, which cannot be added to."""
        return self.cut.pending if self.content.report.timed else None

    @functools.cached_property
    def statistics(self) -> dict[str, Any]:
        """The statistics of what is kept."""
        return statistics(self.cut.interactions, timed=self.content.report.timed)

    def collect_warnings(self) -> list[str]:
        """Return warnings about what an update does, counts that differ from the published ones, and empty parts."""
        unexpected = compare_with_expected(self.statistics, self.plan.expected)
        _, validation, _ = count_parts(self.cut.bounds)
        unexpected += warn_of_empty_parts(self.cut.moments, self.statistics, validation)
        if self.existing is None:
            return unexpected
        return warn_of_losses(self.existing, self.plan.settings) + warn_of_parts(self.existing, self.cut) + unexpected

    def collect_notes(self) -> list[str]:
        """Return lines for people about how the source was read and cut."""
        parts = [] if self.existing is None else [tell_parts(self.existing, self.cut)]
        waiting = [] if self.pending is None else tell_waiting(*self.pending.count())
        return [*self.plan.notes, *self.content.report.lines(), *parts, *waiting]

    def make_items(self) -> tuple[pl.DataFrame, npt.NDArray[np.int32], list[str]]:
        """Return the items, the index of each id of the interactions, and warnings about joined metadata."""
        content, interactions, existing = self.content, self.cut.interactions, self.existing
        metadata = content.metadata
        if existing is None:
            indices = np.arange(1, len(interactions.item_ids) + 1, dtype=np.int32)
            items = item_table(interactions, self.cut.bounds, indices)
        else:
            indices = continue_indices(existing, interactions.item_ids)
            items = add_vanished(existing, item_table(interactions, self.cut.bounds, indices))
            metadata = continue_metadata(existing, metadata)
        if metadata is None:
            return items, indices, []
        items, warnings = join_metadata(items, metadata, content.metadata_source or "the data set's own metadata")
        return items, indices, warnings

    def write_files(self, folder: Path) -> tuple[WrittenFiles, list[str]]:
        """Write the files beside those that are there, and return warnings about joined metadata.

        Raises:
            StorageError: the file system refused.
        """
        items, indices, warnings = self.make_items()
        written = write_dataset_files(folder, self.cut.interactions, self.cut.bounds, items, indices, self.pending)
        return written, warnings


def compare_with_expected(numbers: dict[str, Any], expected: Expected | None) -> list[str]:
    """Return a warning for each count that differs from the published one."""
    if expected is None:
        return []
    source = expected.source + ("" if expected.checked else "; never checked by adrec's own tests")
    return [
        f"{name}: {numbers[name]:,}, expected {wanted:,} ({source})"
        for name in ("users", "items", "interactions")
        if (wanted := getattr(expected, name)) is not None and numbers[name] != wanted
    ]
