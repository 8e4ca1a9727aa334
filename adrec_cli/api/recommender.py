"""Recommending from Python: `load_recommender("workspace/grocery").recommend(history=["17", "42"], k=10)`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from adrec_cli.api.ids import list_ids
from adrec_cli.api.keywords import Loading, Wanted
from adrec_cli.api.places import Place, locate_by_checkpoint
from adrec_cli.api.results import RecommendedItems
from adrec_cli.choices import take_options
from adrec_cli.errors import UsageError
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.schema import ITEM_ID, USER_ID
from adrec_cli.wording import option, say_count

if TYPE_CHECKING:
    import polars as pl

    from adrec_cli.artifacts.vectors_file import Chunk
    from adrec_cli.loading.recommender import Recommender
    from adrec_cli.pipeline.recommend import Recommendation
    from adrec_cli.recommending.history_times import Time

DEFAULTS = RecommendOptions()
OF_LOADING = Loading.__optional_keys__
"""Keywords of `load_recommender`, which a loaded model does not take."""


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
            f"{say_count(self.recommender.sequences.users, 'user')}, "
            f"{say_count(self.recommender.items.height, 'item')}>"
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
    ) -> RecommendedItems:
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
            InputError: an unknown user, a history of unknown items only, or what is not an id.
        """
        if (history is None) == (user is None):
            raise UsageError("give either a history or a user", hint="recommend(history=[...]) or recommend(user=...)")
        if times is not None and history is None:
            raise UsageError("times are those of a history", hint="recommend(history=[...], times=[...])")
        (found,) = self.recommend_many(
            users=[] if user is None else [user],
            histories=[] if history is None else [history],
            times=[] if times is None else [times],
            options=_take_wanted(wanted),
        )
        return RecommendedItems(found.items, explanations=found.explanations)

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
            UsageError: a text where a list of ids belongs.
            InputError: an unknown user, a history of unknown items only, or what is not an id.
        """
        people = list_ids(users, option("users"))
        lists = [list_ids(history, option("history")) for history in histories]
        if not people and not lists:
            return []
        from adrec_cli.pipeline.recommend import recommend_with

        return recommend_with(self.recommender, users=people, histories=lists, times=times, options=options)

    def item_vectors(self) -> pl.DataFrame:
        """Return `item_id` and `vector` (D numbers) of all items; its inner product with a user's is the score."""
        from adrec_cli.recommending.vectors import list_item_vectors

        items = self.recommender.items[ITEM_ID]
        return _tabulate(ITEM_ID, list_item_vectors(self.recommender, items))

    def user_vectors(self) -> pl.DataFrame:
        """Return `user_id` and `vector` (D numbers) of all users with a history that the model knows.

        It is what items are scored against after all of the user's history: the condition that CAM makes of it where a
        model has no diffusion, and of one with diffusion what a single reverse step from zero noise makes of that.

        Raises:
            InputError: nobody has one.
        """
        from adrec_cli.recommending.vectors import find_users_with_history, list_user_vectors

        rows = find_users_with_history(self.recommender)
        return _tabulate(USER_ID, list_user_vectors(self.recommender, rows))


def _tabulate(id_name: str, chunks: Iterable[Chunk]) -> pl.DataFrame:
    import polars as pl

    from adrec_cli.artifacts.vectors_file import VECTOR

    return pl.concat(
        pl.DataFrame({id_name: ids, VECTOR: pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))})
        for ids, vectors in chunks
    )


def _take_wanted(wanted: Wanted) -> RecommendOptions:
    """Return the options that are wanted of a loaded model.

    Raises:
        TypeError: there is none of that name, or it belongs to loading.
    """
    given = dict(wanted)
    if loading := given.keys() & OF_LOADING:
        raise TypeError(f"recommend() got an unexpected keyword argument {min(loading)!r}")
    return take_wanted(given)


def take_wanted(given: dict[str, object]) -> RecommendOptions:
    """Return options of recommending by keyword, with `choice` and `sampling` as they are.

    Raises:
        TypeError: there is none of that name.
        UsageError: a value is not allowed.
    """
    several = {name: value for name in ("choice", "sampling") if (value := given.pop(name, None)) is not None}
    return take_options(replace(DEFAULTS, **several), given, caller="recommend")  # type: ignore[arg-type]


def load_recommender(
    folder: Place | None = None,
    *,
    model: Place | None = None,
    device: str = "auto",
    threads: int | None = None,
    exact: bool = False,
    new_items: Place | None = None,
    workspace: Place | None = None,
) -> LoadedRecommender:
    """Load the model that is current for a data set.

    Args:
        folder: of a data set in a workspace, such as `workspace/grocery`, its name, or a workspace with a single one;
            None takes the only one in `workspace`.
        model: a model's name, or path or bare name of a checkpoint; None takes what is current.
        device: "auto", "cpu", "cuda", ...
        threads: of the CPU, for all of PyTorch; None leaves its default.
        exact: score all items, also where the promoted model has an index.
        new_items: file of items that came after the training, for models with content.
        workspace: where names are looked up; None takes $ADREC_WORKSPACE, else ./workspace.

    Raises:
        ArtifactError: no data set or no model there, or one is damaged or does not belong to the other.
        UsageError: it is not clear which model is meant.
    """
    options = take_options(
        DEFAULTS,
        {"device": device, "threads": threads, "exact": exact, "new_items": new_items},
        caller="load_recommender",
    )
    from adrec_cli.loading.making_ready import Opening

    root, name = locate_by_checkpoint(model, folder, workspace)
    return LoadedRecommender(Opening.of(root, name, None if model is None else os.fspath(model), options).open())


def item_vectors(
    folder: Place | None = None, *, model: Place | None = None, workspace: Place | None = None
) -> pl.DataFrame:
    """Return `item_id` and `vector` of all items, as `LoadedRecommender.item_vectors` does.

    Arguments and errors as `load_recommender`.
    """
    return load_recommender(folder, model=model, workspace=workspace, exact=True).item_vectors()


def user_vectors(
    folder: Place | None = None, *, model: Place | None = None, workspace: Place | None = None
) -> pl.DataFrame:
    """Return `user_id` and `vector` of all users, as `LoadedRecommender.user_vectors` does.

    Arguments and errors as `load_recommender`.
    """
    return load_recommender(folder, model=model, workspace=workspace, exact=True).user_vectors()
