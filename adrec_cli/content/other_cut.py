"""Whether train events that encoders were fitted to, or a model has learned from, may be held out now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.changing import find_withdrawn
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.fitted_on import FittedOn, describe_cut
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
    from adrec_cli.data.splits import UNCHANGING

    if fitted is None:
        return True
    now = FittedOn.of(manifest)
    if fitted.sequences_sha256 == now.sequences_sha256 or fitted.dataset != now.dataset:
        return False
    if now.cut["split"] in UNCHANGING or may_hold_out_train(fitted.cut, now.cut):
        return True
    return now.interactions < fitted.interactions or fitted.sequences_sha256 in find_withdrawn(folder)


def may_hold_out_train(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether what was train in one cut of a log may be held out in another.

    Args:
        before, now: as `describe_cut`.
    """
    from adrec_cli.data.reading.times import parse_moment

    ended, ends = before.get("valid_from"), now.get("valid_from")
    if {**before, "valid_from": None} != {**now, "valid_from": None}:
        return True
    if not ended or not ends:
        return False
    return parse_moment(ends, "valid_from") < parse_moment(ended, "valid_from")


def may_know_held_out(metadata: CheckpointMetadata, manifest: Manifest) -> bool:
    """Return whether a model was trained on another cut, so that it may have learned from what a data set holds out.

    Of models that an earlier version trained nobody can tell.
    """
    if not metadata.cut or metadata.sequences_sha256 == manifest.sequences_sha256:
        return False
    return may_hold_out_train(metadata.cut, describe_cut(manifest))
