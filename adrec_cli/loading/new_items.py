"""Items that came after the training: what is known of them gives them vectors in the model's space, at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.item_vectors import read_item_vectors
from adrec_cli.data.reading.new_items import read_new_items
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.item_content import StoredContent, match_stored_content
from adrec_cli.loading.opening import Dataset
from adrec_cli.models.registry import find_model
from adrec_cli.schema import COUNT, ITEM_ID, ITEM_INDEX
from adrec_cli.wording import command, option

if TYPE_CHECKING:
    import torch

    from adrec_cli.models.base import SequentialRecommender

_RIDGE = 1.0
"""What keeps a regression on content from following single items; rows of content have length 1 an encoder."""


@dataclass(frozen=True, kw_only=True)
class NewItems:
    """What became of items that came after the training.

    Attributes:
        sha256: of the file they come from; "" where they are the data set's own.
        added: items the model can recommend now.
        known: it knew before.
        silent: ids of which nothing is known, so that they have no vector and are left out.
    """

    sha256: str = ""
    added: int = 0
    known: int = 0
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Known:
    """A model and the items it has vectors for.

    Attributes:
        model: restored.
        metadata: of its checkpoint.
        items: one row per item.
    """

    model: SequentialRecommender
    metadata: CheckpointMetadata
    items: pl.DataFrame


def add_items_of_file(known: Known, dataset: Dataset, path: Path) -> tuple[Known, NewItems]:
    """Return a model that knows the items of a file too.

    Raises:
        UsageError: the model knows items by their ids alone.
        InputError: the file cannot be read.
        ArtifactError: the encoders that the model was trained with are not there.
    """
    if not known.metadata.content:
        raise UsageError(
            f"the {known.metadata.model} model knows items by their ids alone, so it cannot score new ones",
            hint=f"{command('encode', dataset.manifest.dataset)}, and train with {option('set', 'model.content=sum')}",
        )
    remembered = dataset.manifest.reading.get("items")
    keep_blanks = bool(dataset.manifest.parameters.get("keep_blanks"))
    table, sha256 = read_new_items(path, known.items[ITEM_ID], remembered, keep_blanks=keep_blanks)
    # What the data set knew nothing of, a file may tell.
    grown, news = _add_items(known, table, _read_content(known, dataset).that_speaks())
    return grown, NewItems(sha256=sha256, added=news.added, known=news.known, silent=news.silent)


def add_items_of_dataset(known: Known, dataset: Dataset) -> Known:
    """Return a model that knows the items which its data set has got since, as far as something is known of them.

    A model without content, or whose encoders are no longer there, stays as it is.
    """
    if not known.metadata.content or dataset.items[ITEM_ID].is_in(known.items[ITEM_ID].implode()).all():
        return known
    try:
        content = _read_content(known, dataset)
    except ArtifactError:
        return known
    return _add_items(known, dataset.items, content)[0]


def _read_content(known: Known, dataset: Dataset) -> StoredContent:
    vectors = read_item_vectors(dataset.folder)
    if vectors.encoders_sha256 != known.metadata.content.get("encoders_sha256"):
        name = dataset.manifest.dataset
        raise ArtifactError(
            f"the items of {name!r} were encoded otherwise since the {known.metadata.model} model was trained",
            hint=f"train it on them: {command('run', name, model=known.metadata.model)}",
        )
    return match_stored_content(vectors, dataset, known.items[ITEM_ID])


def _add_items(known: Known, table: pl.DataFrame, content: StoredContent) -> tuple[Known, NewItems]:
    """Return the model with those items of a table which it does not know and of which something is known."""
    fresh = table.filter(~pl.col(ITEM_ID).is_in(known.items[ITEM_ID].implode()))
    if fresh.is_empty():
        return known, NewItems(known=table.height)
    content_NC = content.of(fresh)
    speaks_N = content_NC.any(axis=1)
    silent = tuple(fresh.filter(pl.Series(~speaks_N))[ITEM_ID].to_list())
    fresh, content_NC = fresh.filter(pl.Series(speaks_N)), content_NC[speaks_N]
    news = NewItems(added=fresh.height, known=table.height - fresh.height - len(silent), silent=silent)
    if fresh.is_empty():
        return known, news
    import torch

    own_ND = _regress(known, content, content_NC)
    grown = Known(
        model=_grown(known, torch.from_numpy(content_NC), own_ND),
        metadata=known.metadata,
        items=_append(known.items, fresh),
    )
    return grown, news


def _grown(known: Known, content_NC: torch.Tensor, own_ND: torch.Tensor | None) -> SequentialRecommender:
    """Return the model with more items: with content, or with vectors of their own."""
    before = known.model.state_dict()
    device = next(iter(before.values())).device
    grown = find_model(known.metadata.model)(known.model.config, known.items.height + len(content_NC))
    state = grown.state_dict()
    for name, weight in state.items():
        if weight.shape == before[name].shape:
            weight.copy_(before[name])
        else:
            weight[: len(before[name])].copy_(before[name])
            weight[len(before[name]) :].zero_()
    for table in grown.item_tables():
        if table.content is not None:
            table.content.content_VC[-len(content_NC) :] = content_NC
            table.content.learnt_V[-len(content_NC) :] = True
        if table.weight is not None and own_ND is not None:
            table.weight.data[-len(content_NC) :] = own_ND
    return grown.to(device).eval()


def _regress(known: Known, content: StoredContent, content_NC: npt.NDArray[np.float16]) -> torch.Tensor | None:
    """Return what a ridge regression from content to vectors of their own says of new items.

    None where there are no such vectors, or no content of items with events to learn from. What training put into the
    vectors of items with events would be missing from new ones, which then had lower scores.
    """
    table = next((table for table in known.model.item_tables() if table.weight is not None), None)
    if table is None:
        return None
    import torch

    assert table.weight is not None
    bought = known.items[COUNT] > 0
    bought_V = torch.from_numpy(bought.to_numpy())
    targets = table.weight.detach().cpu()[1:][bought_V].double()
    if table.content is None:
        inputs = torch.from_numpy(content.of(known.items.filter(bought))).double()
    else:
        inputs = table.content.content_VC.cpu()[1:][bought_V].double()
    speaks = inputs.any(dim=1)
    inputs, targets = inputs[speaks], targets[speaks]
    if not len(inputs):
        return None
    mean_C, mean_D = inputs.mean(dim=0), targets.mean(dim=0)
    centred = inputs - mean_C
    products = centred.T @ centred + _RIDGE * torch.eye(centred.shape[1], dtype=torch.float64)
    map_CD = torch.linalg.solve(products, centred.T @ (targets - mean_D))
    predicted_ND: torch.Tensor = (torch.from_numpy(content_NC).double() - mean_C) @ map_CD + mean_D
    return predicted_ND.float()


def _append(items: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    """Return the items with more of them behind, without events; columns that only the new ones have are left out."""
    columns = [
        pl.col(name).cast(kind, strict=False) if name in fresh.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in items.schema.items()
        if name not in (ITEM_INDEX, COUNT)
    ]
    numbers = pl.int_range(items.height + 1, items.height + fresh.height + 1, eager=True)
    more = fresh.select(columns).with_columns(
        numbers.cast(items.schema[ITEM_INDEX]).alias(ITEM_INDEX), pl.lit(0, dtype=items.schema[COUNT]).alias(COUNT)
    )
    return pl.concat([items, more.select(items.columns)])


NOTHING_NEW = NewItems()
"""No file of new items was given."""
