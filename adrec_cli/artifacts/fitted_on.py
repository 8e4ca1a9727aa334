"""What encoders of train events were fitted on, as it is written down with the vectors they made."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from adrec_cli.artifacts.manifest import Manifest

_FILTERS = (
    "where", "min_rating", "min_user_interactions", "min_item_interactions", "max_length", "duplicates", "ties",
)  # fmt: skip
_SPLIT = ("split", "valid_from")


def describe_cut(manifest: Manifest) -> dict[str, Any]:
    """Return which events of a log a data set takes, and what it holds out: in a split by time, from when on."""
    found = manifest.parameters.get("found", {})
    filters = {name: manifest.parameters.get(name) or None for name in _FILTERS}
    return {**filters, **{name: found.get(name) for name in _SPLIT}}


def require_cut(cut: Any) -> None:
    """Refuse what `describe_cut` cannot have returned.

    Raises:
        ValueError: naming it.
    """
    moment = cut.get("valid_from", "") if isinstance(cut, dict) else None
    if not isinstance(cut, dict) or not (moment is None or isinstance(moment, str)):
        raise ValueError("cut")
    if moment:
        datetime.fromisoformat(moment)


@dataclass(frozen=True, kw_only=True)
class FittedOn:
    """A data set when encoders of train events were fitted to it.

    Attributes:
        dataset: its name.
        sequences_sha256: of its `sequences.parquet`.
        interactions: how many it had.
        cut: as `describe_cut`.
    """

    dataset: str
    sequences_sha256: str
    interactions: int
    cut: Mapping[str, Any]

    @classmethod
    def of(cls, manifest: Manifest) -> FittedOn:
        """Return what is written of a data set as it is now."""
        return cls(
            dataset=manifest.dataset,
            sequences_sha256=manifest.sequences_sha256,
            interactions=manifest.statistics["interactions"],
            cut=describe_cut(manifest),
        )

    def to_text(self) -> str:
        """Return it as it is written."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> FittedOn:
        """Return what `to_text` wrote.

        Raises:
            TypeError, ValueError: it did not write that.
        """
        fitted = cls(**json.loads(text))
        require_cut(fitted.cut)
        if not isinstance(fitted.dataset, str):
            raise ValueError("what encoders were fitted on is not described")
        if type(fitted.interactions) is not int or not re.fullmatch("[0-9a-f]{64}", str(fitted.sequences_sha256)):
            raise ValueError("what encoders were fitted on is not described")
        return fitted
