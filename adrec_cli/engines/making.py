"""A planned data set, made: its source read and cut where its interactions lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adrec_cli.data.bringing import Brought, require_order
from adrec_cli.data.cuts import Cut, make_cut
from adrec_cli.data.implausible import hold_against
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.overlaps import settle_overlap
from adrec_cli.data.plan import Plan
from adrec_cli.data.prepared import Prepared
from adrec_cli.data.reading.item_metadata import require_match
from adrec_cli.data.reading.read_report import FileRows
from adrec_cli.data.reading.scratch import scratch_folder
from adrec_cli.data.reading.source_content import SourceContent, read_source
from adrec_cli.data.reading.steady_files import SteadyFile
from adrec_cli.data.taken_files import leave_out_repeats
from adrec_cli.data.updating import Existing, merge
from adrec_cli.engines.engines import AnyReader, bring_here
from adrec_cli.engines.spark.log import SparkLog
from adrec_cli.engines.spread_cut import can_be_spread
from adrec_cli.engines.spread_prepared import SpreadPrepared, prepare_spread
from adrec_cli.errors import UsageError
from adrec_cli.wording import option


def read_content(
    brought: Brought,
    plan: Plan,
    files: Sequence[SteadyFile],
    existing: Existing | None,
    *,
    read: AnyReader,
    folder: Path | None,
) -> tuple[SourceContent[Interactions | SparkLog], list[FileRows]]:
    """Read a source and hold it against what it is added to; return it, and the files left out as repeats.

    Args:
        brought: the source, which is here.
        plan: how it is read.
        files: the plan's, hashed before.
        existing: the data set that is added to.
        read: reads the files.
        folder: of the data set, for temporary copies; None takes the system's.

    Raises:
        InputError: a file is bad, or is another than was hashed.
    """
    with scratch_folder(folder) as scratch:
        content = read_source(plan, scratch, read)
    require_order(brought, plan, content.report)
    for file in files:
        file.require_unchanged()
    if existing is not None or not can_be_spread(plan.settings, content.interactions.item_ids):
        content = bring_here(content)
    overlap = brought.options.overlap
    content, repeats = leave_out_repeats(content, plan, existing, files, overlap)
    if existing is not None:
        here = bring_here(content)
        if plan.settings.duplicates == "keep" and here.report.timed and existing.timed:
            rows = [file.rows for file in here.report.files if file not in repeats]
            content = here = settle_overlap(existing, here, rows, overlap)
        hold_against(existing, here.interactions, content.report, strict=brought.options.strict)
    return content, repeats


def prepare(
    content: SourceContent[Interactions | SparkLog], plan: Plan, existing: Existing | None
) -> Prepared | SpreadPrepared:
    """Cut a source where its interactions lie."""
    log = content.interactions
    if not isinstance(log, Interactions):
        _require_times(content, plan)
        return prepare_spread(content, log, plan)
    return prepare_here(bring_here(content), plan, existing)


def prepare_here(content: SourceContent[Interactions], plan: Plan, existing: Existing | None) -> Prepared:
    """Cut a source in this process."""
    return Prepared(plan=plan, existing=existing, content=content, cut=_cut(content, plan, existing))


def _require_times(content: SourceContent[Interactions | SparkLog], plan: Plan) -> None:
    if plan.settings.split == "time" and not content.report.timed:
        raise UsageError(
            f"{option('split', 'time')} needs times, which the source does not have",
            hint=option("split", "leave-one-out"),
        )


def _cut(content: SourceContent[Interactions], plan: Plan, existing: Existing | None) -> Cut:
    interactions = content.interactions
    _require_times(content, plan)
    if existing is not None:
        interactions = merge(existing, interactions, timed=content.report.timed)
    cut = make_cut(interactions, plan.settings, content.count_left_out(plan.settings))
    if content.items is not None:
        ids = cut.interactions.item_ids if existing is None else content.interactions.item_ids
        require_match(content.items, ids, known=None if existing is None else cut.interactions.item_ids)
    return cut
