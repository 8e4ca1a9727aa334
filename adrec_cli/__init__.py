"""Train and run diffusion-based sequential recommenders from the command line and from Python."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from adrec_cli.api import LoadedRecommender as LoadedRecommender
    from adrec_cli.api import load_plugin as load_plugin
    from adrec_cli.api import load_recommender as load_recommender

__all__ = ["LoadedRecommender", "__version__", "load_plugin", "load_recommender"]


def __getattr__(name: str) -> Any:
    # Only when asked for: it loads PyTorch and Polars, or reads what is installed, which `adrec --help` does not need.
    if name == "__version__":
        globals()[name] = _find_version()
        return globals()[name]
    if name in ("LoadedRecommender", "load_plugin", "load_recommender"):
        from adrec_cli import api

        return getattr(api, name)
    raise AttributeError(f"module 'adrec_cli' has no attribute {name!r}")


def _find_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("adrec-cli")
    except PackageNotFoundError:
        return "0.0.0+source"
