"""Train and run diffusion-based sequential recommenders from the command line and from Python.

>>> import adrec_cli
>>> shop = adrec_cli.preprocess("demo")
>>> model = adrec_cli.train(shop, epochs=1, set={"model": {"hidden_size": 16}})
>>> adrec_cli.evaluate(model).protocol
'loo/full/test'
>>> len(adrec_cli.recommend(shop, history=["s00e00", "s00e01"], k=3))
3
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from adrec_cli import errors as errors
    from adrec_cli.api import EvaluatedModel as EvaluatedModel
    from adrec_cli.api import LoadedRecommender as LoadedRecommender
    from adrec_cli.api import PreparedDataset as PreparedDataset
    from adrec_cli.api import RecommendedItems as RecommendedItems
    from adrec_cli.api import RecommendedLists as RecommendedLists
    from adrec_cli.api import TrainedModel as TrainedModel
    from adrec_cli.api import evaluate as evaluate
    from adrec_cli.api import item_vectors as item_vectors
    from adrec_cli.api import load_plugin as load_plugin
    from adrec_cli.api import load_recommender as load_recommender
    from adrec_cli.api import preprocess as preprocess
    from adrec_cli.api import recommend as recommend
    from adrec_cli.api import train as train
    from adrec_cli.api import user_vectors as user_vectors

__all__ = [
    "EvaluatedModel",
    "LoadedRecommender",
    "PreparedDataset",
    "RecommendedItems",
    "RecommendedLists",
    "TrainedModel",
    "__version__",
    "errors",
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
    # Only when asked for: every command line imports this package, and needs none of it.
    if name == "__version__":
        globals()[name] = _find_version()
        return globals()[name]
    if name == "errors":
        return import_module("adrec_cli.errors")
    if name in __all__:
        return getattr(import_module("adrec_cli.api"), name)
    raise AttributeError(f"module 'adrec_cli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def _find_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("adrec-cli")
    except PackageNotFoundError:
        return "0.0.0+source"
