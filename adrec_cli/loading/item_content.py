"""The content of items by their ids: what is stored beside a data set, and what its encoders make of all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.artifacts.item_vectors import ItemVectors, ids_sha256
from adrec_cli.content.encoders import FittedEncoder, encode_items
from adrec_cli.content.records import restore_encoders
from adrec_cli.loading.opening import Dataset
from adrec_cli.schema import ITEM_ID


@dataclass(frozen=True, kw_only=True)
class StoredContent:
    """Content that was made of items, and the encoders that made it.

    Attributes:
        encoders: fitted.
        ids: of the items that have some, none twice.
        vectors_VC: float16, one row per id.
    """

    encoders: list[FittedEncoder]
    ids: pl.Series
    vectors_VC: npt.NDArray[np.float16]

    def of(self, items: pl.DataFrame) -> npt.NDArray[np.float16]:
        """Return the content of each item: as it is stored, and encoded only where nothing is.

        What is stored may know more than columns say: vectors of another program are in no column of the items.

        Args:
            items: one row per item.

        Raises:
            UsageError: what an encoder needs is not installed.
            ArtifactError: an encoder gives values that are not finite.
        """
        rows_by_id = self.ids.rename(ITEM_ID).to_frame().with_row_index("row")
        rows = items.select(ITEM_ID).join(rows_by_id, on=ITEM_ID, how="left", maintain_order="left")["row"]
        stored_N = rows.is_not_null()
        content_NC = np.zeros((items.height, self.vectors_VC.shape[1]), dtype=np.float16)
        content_NC[stored_N.to_numpy()] = self.vectors_VC[rows.drop_nulls().to_numpy()]
        if not stored_N.all():
            content_NC[~stored_N.to_numpy()] = encode_items(self.encoders, items.filter(~stored_N))
        return content_NC

    def that_speaks(self) -> StoredContent:
        """Return it without the items of which nothing is known."""
        speaks_V = self.vectors_VC.any(axis=1)
        return StoredContent(
            encoders=self.encoders, ids=self.ids.filter(pl.Series(speaks_V)), vectors_VC=self.vectors_VC[speaks_V]
        )


def match_stored_content(vectors: ItemVectors, dataset: Dataset, known_ids: pl.Series) -> StoredContent:
    """Return the content that a data set has stored; of no item where it is that of neither these nor known ones.

    Args:
        vectors: of the data set; they may be older than its items, and hold only a hash of the ids they are of.
        dataset: as it is now.
        known_ids: of the items of a model, in their order.

    Raises:
        ArtifactError: what is written of the encoders fits none.
    """
    ids = _find_ids(vectors, dataset, known_ids)
    return StoredContent(
        encoders=restore_encoders(vectors.encoders),
        ids=pl.Series(ITEM_ID, [], dtype=pl.String) if ids is None else ids,
        vectors_VC=vectors.vectors_VC[:0] if ids is None else vectors.vectors_VC,
    )


def _find_ids(vectors: ItemVectors, dataset: Dataset, known_ids: pl.Series) -> pl.Series | None:
    """Return the ids that rows of vectors are of, in their order, where they are those of the data set or the model."""
    # Hashing all ids takes longer than all else: what was encoded since the items changed last is of these.
    if vectors.items_sha256 == dataset.manifest.items_sha256:
        return dataset.items[ITEM_ID]
    if vectors.ids_sha256 == dataset.ids_sha256:
        return dataset.items[ITEM_ID]
    return known_ids if vectors.ids_sha256 == ids_sha256(known_ids) else None
