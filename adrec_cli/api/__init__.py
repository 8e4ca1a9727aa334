"""adrec from Python: the commands as functions, with paths or frames, and results that are tables.

What needs PyTorch or Polars is imported when it is called: neither `import adrec_cli` nor completion waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adrec_cli.api.commands import evaluate, preprocess, train
from adrec_cli.api.frames import ArrowFrame
from adrec_cli.api.keywords import Wanted
from adrec_cli.api.plugins import load_plugin
from adrec_cli.api.recommender import LoadedRecommender, item_vectors, load_recommender, user_vectors
from adrec_cli.api.recommending import recommend
from adrec_cli.api.results import (
    EvaluatedModel,
    PreparedDataset,
    RecommendedItems,
    RecommendedLists,
    TrainedModel,
)
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import Merging
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.recommending.options import RecommendOptions

if TYPE_CHECKING:
    from adrec_cli.pipeline.recommend import Recommendation as Recommendation
    from adrec_cli.pipeline.recommend import RecommendedItem as RecommendedItem

__all__ = [
    "ArrowFrame",
    "EvaluatedModel",
    "ItemChoice",
    "LoadedRecommender",
    "Merging",
    "PreparedDataset",
    "RecommendOptions",
    "Recommendation",
    "RecommendedItem",
    "RecommendedItems",
    "RecommendedLists",
    "Sampling",
    "TrainedModel",
    "Wanted",
    "evaluate",
    "item_vectors",
    "load_plugin",
    "load_recommender",
    "preprocess",
    "recommend",
    "train",
    "user_vectors",
]


def __getattr__(name: str) -> Any:
    # Their modules load PyTorch.
    if name in ("Recommendation", "RecommendedItem"):
        from adrec_cli.pipeline import recommend as pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
