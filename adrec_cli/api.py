"""Recommending from Python: `load_recommender("workspace/grocery").recommend(history=["17", "42"], k=10)`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

import polars as pl

from adrec_cli.artifacts.vectors_file import VECTOR, Chunk
from adrec_cli.errors import UsageError
from adrec_cli.loading.plugins import load_plugin
from adrec_cli.loading.recommender import Recommender, open_recommender
from adrec_cli.models.sampling import Sampling
from adrec_cli.pipeline.recommend import Merging, Recommendation, RecommendedItem, recommend_with
from adrec_cli.recommending.history_times import Time
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.recommending.vectors import find_users_with_history, list_item_vectors, list_user_vectors
from adrec_cli.schema import ITEM_ID, MANIFEST_FILE, USER_ID

__all__ = [
    "ItemChoice",
    "LoadedRecommender",
    "Merging",
    "RecommendOptions",
    "Recommendation",
    "RecommendedItem",
    "Sampling",
    "Wanted",
    "load_plugin",
    "load_recommender",
]

DEFAULTS = RecommendOptions()


class Wanted(TypedDict, total=False):
    """What `recommend` takes by name; what is left out is as in `RecommendOptions`.

    Attributes:
        k: largest number of items.
        include_seen: items of the history may come back.
        choice: which items may come back at all.
        sampling: of a diffusion model.
        samples: of a diffusion model, merged into one list.
        temperature: of the noise; None leaves what `sampling` says.
        merge: "reciprocal-rank" or "mean-score".
    """

    k: int
    include_seen: bool
    choice: ItemChoice
    sampling: Sampling
    samples: int
    temperature: float | None
    merge: str


class LoadedRecommender:
    """A model in memory; several threads may ask it at once.

    Attributes:
        recommender: the checked model with its items and histories.
    """

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender

    def __repr__(self) -> str:
        return (
            f"<{self.model} {self.checkpoint_sha256[:16]} on {self.recommender.dataset}: "
            f"{self.recommender.sequences.users:,} users, {self.recommender.items.height:,} items>"
        )

    @property
    def model(self) -> str:
        """The model's registered name."""
        return self.recommender.checkpoint.metadata.model

    @property
    def checkpoint_sha256(self) -> str:
        """The hash of the checkpoint's file; it changes with every training."""
        return self.recommender.checkpoint.sha256

    def recommend(
        self,
        *,
        history: Sequence[str] | None = None,
        times: Sequence[Time] | None = None,
        user: str | None = None,
        **wanted: Unpack[Wanted],
    ) -> list[RecommendedItem]:
        """Return the best items for somebody's history, or for a user of the data set.

        Args:
            history: raw item ids, oldest first; unknown ones are left out, and an empty one gets the popular items.
            times: when each item of the history was, in seconds since 1970 or as a date or time; for models that read
                it.
            user: raw user id.
            wanted: how many, and how, as `Wanted`: k=10, include_seen=False, samples=1 and so on.

        Raises:
            UsageError: neither or both of history and user, times without a history, k out of range, or several samples
                or a temperature of a model that draws nothing.
            InputError: an unknown user, or a history of unknown items only.
        """
        if (history is None) == (user is None):
            raise UsageError("give either a history or a user", hint="recommend(history=[...]) or recommend(user=...)")
        if times is not None and history is None:
            raise UsageError("times are those of a history", hint="recommend(history=[...], times=[...])")
        if isinstance(history, str):
            raise UsageError("a history is a list of ids, not a text", hint='recommend(history=["17", "42"])')
        (found,) = self.recommend_many(
            users=[] if user is None else [user],
            histories=[] if history is None else [history],
            times=[] if times is None else [times],
            options=_options_of(wanted),
        )
        return found.items

    def recommend_many(
        self,
        *,
        users: Sequence[str] = (),
        histories: Sequence[Sequence[str]] = (),
        times: Sequence[Sequence[Time]] = (),
        options: RecommendOptions = DEFAULTS,
    ) -> list[Recommendation]:
        """Return what each user, then each history, gets; computed together, which is faster than one by one.

        Args:
            users: raw user ids.
            histories: raw item ids, oldest first.
            times: of the items of each history, as `recommend`; () where none are given.
            options: for all of them; device and threads were chosen when the model was loaded.

        Raises:
            InputError: an unknown user, or a history of unknown items only.
        """
        if not users and not histories:
            return []
        return recommend_with(self.recommender, users=users, histories=histories, times=times, options=options)

    def item_vectors(self) -> pl.DataFrame:
        """Return `item_id` and `vector` of all items, whose inner product with a user's vector is the score."""
        items = self.recommender.items[ITEM_ID]
        return _tabulate(ITEM_ID, list_item_vectors(self.recommender, items))

    def user_vectors(self) -> pl.DataFrame:
        """Return `user_id` and `vector` of all users with a history; of diffusion after one step of zero noise.

        Raises:
            InputError: nobody has one.
        """
        rows = find_users_with_history(self.recommender)
        return _tabulate(USER_ID, list_user_vectors(self.recommender, rows))


def _tabulate(id_name: str, chunks: Iterable[Chunk]) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame({id_name: ids, VECTOR: pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))})
        for ids, vectors in chunks
    )


def _options_of(wanted: Wanted) -> RecommendOptions:
    """Return the options that are wanted.

    Raises:
        TypeError: there is none of that name, as Python says of any argument.
    """
    if unknown := wanted.keys() - Wanted.__annotations__.keys():
        raise TypeError(f"recommend() got an unexpected keyword argument {min(unknown)!r}")
    sampling, temperature = wanted.get("sampling", DEFAULTS.sampling), wanted.get("temperature")
    return RecommendOptions(
        k=wanted.get("k", DEFAULTS.k),
        include_seen=wanted.get("include_seen", DEFAULTS.include_seen),
        choice=wanted.get("choice", DEFAULTS.choice),
        sampling=sampling if temperature is None else replace(sampling, temperature=temperature),
        merging=Merging(
            samples=wanted.get("samples", DEFAULTS.merging.samples), merge=wanted.get("merge", DEFAULTS.merging.merge)
        ),
    )


def load_recommender(
    folder: str | Path,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    exact: bool = False,
) -> LoadedRecommender:
    """Load the model that is current for a data set.

    Args:
        folder: of a data set in a workspace, such as `workspace/grocery`, or a workspace with a single one.
        model: a model's name, or path or bare name of a checkpoint; None takes what is current.
        device: "auto", "cpu", "cuda", ...
        threads: of the CPU, for all of PyTorch; None leaves its default.
        exact: score all items, also where the promoted model has an index.

    Raises:
        ArtifactError: no data set or no model there, or one is damaged or does not belong to the other.
        UsageError: it is not clear which model is meant.
    """
    place = Path(folder)
    inside = (place / MANIFEST_FILE).is_file()
    workspace, name = (place.resolve().parent, place.resolve().name) if inside else (place, None)
    recommender = open_recommender(workspace, name, model, device=device, threads=threads, exact=exact)
    return LoadedRecommender(recommender)
