"""What a log comes to that an engine has read and cut in parts by user: what `Prepared` is for one that is here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.dataset import next_file
from adrec_cli.data.cuts import resolve_moments
from adrec_cli.data.dataset_files import WrittenFiles, count_statistics, write_items
from adrec_cli.data.filter_applied import FilterApplied
from adrec_cli.data.moments import warn_of_empty_parts
from adrec_cli.data.plan import Plan
from adrec_cli.data.prepared import compare_with_expected
from adrec_cli.data.reading.item_metadata import join_metadata, require_match
from adrec_cli.data.reading.source_content import SourceContent
from adrec_cli.data.reading.times import moment_text
from adrec_cli.data.update_notes import tell_waiting
from adrec_cli.engines.parts import SpreadLog
from adrec_cli.engines.spread_cut import SpreadCut, cut_parts
from adrec_cli.engines.spread_files import write_spread_files
from adrec_cli.schema import COUNT, ITEM_ID, ITEM_INDEX, ITEMS_FILE


@dataclass(frozen=True, kw_only=True)
class SpreadPrepared:
    """What a source comes to, before anything of it is written.

    Attributes:
        plan: what was to be done.
        content: what was read.
        log: its interactions, wherever they lie.
        cut: what is kept of it.
        moments: of a split in time, where validation and test begin.
    """

    plan: Plan
    content: SourceContent[Any]
    log: SpreadLog
    cut: SpreadCut
    moments: dict[str, int]

    existing = None

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return self.plan.dataset

    @property
    def found(self) -> dict[str, Any]:
        """What was found out about the source, and how it was split."""
        moments = {name: moment_text(moment) for name, moment in self.moments.items()}
        return {**self.content.found, "split": self.cut.split, **moments}

    @property
    def removed(self) -> list[FilterApplied]:
        """What each filter left out, in order."""
        return self.cut.removed

    @property
    def statistics(self) -> dict[str, Any]:
        """The statistics of what is kept."""
        kept = self.cut.kept
        first, last = (kept.first, kept.last) if self.content.report.timed else (None, None)
        return count_statistics(kept.counts.users, kept.counts.used_items, kept.counts.events, first, last)

    @property
    def item_ids(self) -> pl.Series:
        """The ids of items that are kept, ascending."""
        return self.log.item_ids.filter(pl.Series(self.cut.kept.counts.items > 0))

    def collect_warnings(self) -> list[str]:
        """Return warnings about counts that differ from the published ones, and empty parts."""
        unexpected = compare_with_expected(self.statistics, self.plan.expected)
        return unexpected + warn_of_empty_parts(self.moments, self.statistics)

    def collect_notes(self) -> list[str]:
        """Return lines for people about how the source was read and cut."""
        kept = self.cut.kept
        waiting = tell_waiting(int(kept.waiting_items.sum()), len(kept.waiting_users))
        return [*self.plan.notes, *self.content.report.lines(), *waiting]

    def write_files(self, folder: Path) -> tuple[WrittenFiles, list[str]]:
        """Write the files beside those that are there, and return warnings about joined metadata.

        Raises:
            StorageError: the file system refused.
        """
        log, content = self.log, self.content
        spread = write_spread_files(folder, self.cut, log.user_ids, log.item_ids, self.moments)
        indices = np.arange(1, len(spread.item_counts) + 1, dtype=np.int32)
        items = pl.DataFrame({ITEM_INDEX: indices, ITEM_ID: self.item_ids, COUNT: spread.item_counts})
        warnings: list[str] = []
        if content.metadata is not None:
            items, warnings = join_metadata(items, content.metadata, content.metadata_source)
        with next_file(folder, ITEMS_FILE) as path:
            write_items(items, path)
            items_sha256 = file_sha256(path)
        written = WrittenFiles(
            sequences_sha256=spread.sequences_sha256, items_sha256=items_sha256, pending_sha256=spread.pending_sha256
        )
        return written, warnings


def prepare_spread(content: SourceContent[Any], log: SpreadLog, plan: Plan) -> SpreadPrepared:
    """Cut what an engine has read where it lies.

    Raises:
        InputError: nothing is left, or the item file is about other items.
        UsageError: the split does not go with the source.
    """
    settings = plan.settings
    removed = content.count_left_out(settings)
    timed = content.report.timed
    cut = cut_parts(log.spread(), settings, removed, given=plan.parts is not None, timed=timed)
    moments = resolve_moments(cut.kept.last, settings) if cut.split == "time" else {}
    made = SpreadPrepared(plan=plan, content=content, log=log, cut=cut, moments=moments)
    if content.items is not None:
        require_match(content.items, made.item_ids, known=None)
    return made
