"""Whether train events that encoders were fitted to may be held out now."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.artifacts.changing import find_withdrawn
from adrec_cli.artifacts.fitted_on import FittedOn
from adrec_cli.artifacts.manifest import Manifest


def is_cut_otherwise(fitted: FittedOn | None, manifest: Manifest, folder: Path) -> bool:
    """Return whether some of what encoders of train events have read may be held out in a data set, or gone from it.

    Events that were added since, and a split by time whose moments moved on with them, leave train in train. Of
    encoders that were fitted to another data set nobody can tell: whoever took them chose them.

    Args:
        fitted: what they were fitted on; None where an earlier version did not write it down.
        manifest, folder: of the data set.
    """
    # Not at the top: commands that do without Polars ask for what is up to date too.
    from adrec_cli.data.reading.times import parse_moment
    from adrec_cli.data.splits import UNCHANGING

    if fitted is None:
        return True
    now = FittedOn.of(manifest)
    if fitted.sequences_sha256 == now.sequences_sha256 or fitted.dataset != now.dataset:
        return False
    before, after = (one.cut.get("valid_from") for one in (fitted, now))
    if {**fitted.cut, "valid_from": None} != {**now.cut, "valid_from": None} or now.cut["split"] in UNCHANGING:
        return True
    if before and after and parse_moment(after, "valid_from") < parse_moment(before, "valid_from"):
        return True
    return now.interactions < fitted.interactions or fitted.sequences_sha256 in find_withdrawn(folder)
