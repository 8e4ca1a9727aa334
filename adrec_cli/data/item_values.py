"""The values of items in a column, split once and then looked up for some items at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.data.cell_values import split_values
from adrec_cli.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemValues:
    """The values that items have in a column, as numbers.

    Attributes:
        names: of the values, by their numbers.
        numbers: of the values of all items, one item after the other, none twice for one item.
        starts_V: where those of an item begin, by item index, padding having none; one more says where the last end.
    """

    names: list[str]
    numbers: npt.NDArray[np.int64]
    starts_V: npt.NDArray[np.int64]

    @classmethod
    def split(cls, items: pl.DataFrame, column: str) -> ItemValues:
        """Split the cells of a column.

        Args:
            items: one row per item, from item index 1 on.
            column: as `split_values` takes.

        Raises:
            InputError: there is no such column.
        """
        if column not in items.columns:
            has = ", ".join(map(repr, items.columns))
            raise InputError(f"items have no column {column[:100]!r}", hint=f"they have: {has}")
        lists = split_values(items[column]).list.unique(maintain_order=True)
        values = lists.explode(empty_as_null=False)
        names = values.unique(maintain_order=True).to_list()
        known = pl.DataFrame({"value": names, "number": np.arange(len(names))}, schema_overrides={"value": pl.String})
        numbers = values.alias("value").to_frame().join(known, on="value", how="left", maintain_order="left")["number"]
        starts_V = np.concatenate([[0, 0], np.cumsum(lists.list.len().to_numpy(), dtype=np.int64)])
        return cls(names=names, numbers=numbers.to_numpy(), starts_V=starts_V)

    def of(self, items: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return places among some items, ascending, and the number of a value that the item there has."""
        starts, lengths = self.starts_V[items], self.starts_V[items + 1] - self.starts_V[items]
        places = np.repeat(np.arange(len(items)), lengths)
        within = np.arange(len(places)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return places, self.numbers[np.repeat(starts, lengths) + within]

    def names_of(self, item: int) -> list[str]:
        """Return the values of an item, in the order of its cell."""
        return [self.names[number] for number in self.numbers[self.starts_V[item] : self.starts_V[item + 1]]]
