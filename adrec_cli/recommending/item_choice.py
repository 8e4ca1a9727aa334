"""Which items may be recommended at all: those of a file, of categories, bought often enough, and not excluded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.choices import choice
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

ITEMS: Final = "Which items"
"""The panel of the help that lists what items are recommended."""


@dataclass(frozen=True, kw_only=True)
class ItemChoice:
    """What may come back.

    Attributes:
        candidates: a file of item ids, which alone may; None for all.
        excluded: a file of item ids that may not.
        categories: of the data set's item file; an item needs one of them. Empty for all.
        min_count: train events an item needs.
    """

    candidates: Path | None = choice(
        None, Path, "File of item ids to choose from.", metavar="FILE", panel=ITEMS, usual=True
    )
    excluded: Path | None = choice(
        None, Path, "File of item ids to leave out.", key="exclude_items", metavar="FILE", panel=ITEMS
    )
    categories: tuple[str, ...] = choice(
        (),
        list[str],
        "Category to recommend from; repeatable.",
        key="category",
        metavar="NAME",
        panel=ITEMS,
        usual=True,
    )
    min_count: int = choice(0, int, "Minimum number of train events of an item.", metavar="N", panel=ITEMS)

    def __post_init__(self) -> None:
        if self.min_count < 0:
            raise UsageError(f"{option('min_count')} must not be negative, got {self.min_count}")

    def key(self) -> dict[str, object]:
        """Return what decides the choice, with the content of the files."""
        files = {"candidates": self.candidates, "excluded": self.excluded}
        hashes = {name: file_sha256(path) for name, path in files.items() if path is not None and path.is_file()}
        return {**hashes, "categories": list(self.categories), "min_count": self.min_count}

    def indices(self, items: pl.DataFrame) -> tuple[npt.NDArray[np.int64] | None, list[str]]:
        """Return the indices of the chosen items, ascending, and the ids of the files that no item has.

        Args:
            items: that the model knows.

        Returns:
            None in place of indices where every item may come back.

        Raises:
            InputError: a file cannot be read, a category is unknown, or no item is left.
        """
        # Not at the top: the help of the command line reads options without Polars.
        from adrec_cli.recommending.allowed_items import choose_items

        return choose_items(items, **vars(self))
