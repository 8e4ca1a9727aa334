"""Which columns of an item file are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adrec_cli.data.reading.column_names import Column


@dataclass(frozen=True, kw_only=True)
class MetadataColumns:
    """Which columns of an item file mean what; None looks for customary names.

    Attributes:
        item, title, category: a name, or a position from 1.
        category_flags: columns that hold 1 or 0; the names of those with 1 become the category.
        keep: other columns to keep; None keeps all but those of events.
        before: name of the column of each role in the item file before this one, looked for before customary names.
    """

    item: Column | None = None
    title: Column | None = None
    category: Column | None = None
    category_flags: Sequence[str] = ()
    keep: Sequence[str] | None = None
    before: Mapping[str, str] = field(default_factory=dict)

    def complete(self, remembered: Mapping[str, Any] | None) -> MetadataColumns:
        """Return the same with what a manifest remembers of the item file before."""
        return self if remembered is None else replace(self, before=remembered.get("columns", {}))
