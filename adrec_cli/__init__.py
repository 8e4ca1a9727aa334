"""Train and run diffusion-based sequential recommenders from the command line."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("adrec-cli")
except PackageNotFoundError:
    __version__ = "0.0.0+source"
