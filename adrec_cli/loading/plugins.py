"""Plugin files in use: read, everything they add tried, and taken out again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from adrec_cli.data.named_datasets import DATASETS
from adrec_cli.extending.in_use import Plugin, plugins_in_use, use_plugins
from adrec_cli.extending.open_set import OpenSet
from adrec_cli.extending.plugin import read_plugin
from adrec_cli.models.registry import MODELS
from adrec_cli.models.stages import SAMPLED_LOSSES
from adrec_cli.ranking.metrics import METRICS
from adrec_cli.tracking.callbacks import CALLBACKS

SETS: tuple[OpenSet[Any], ...] = (MODELS, SAMPLED_LOSSES, METRICS, DATASETS, CALLBACKS)
"""What can be added to from outside."""


@contextlib.contextmanager
def plugins(paths: Sequence[Path]) -> Iterator[tuple[Plugin, ...]]:
    """Use what plugin files add, for a while; yields them as they were read and tried.

    Args:
        paths: of Python files that the user has named.

    Raises:
        UsageError: one is missing, fails, or adds what cannot be used.
    """
    read = tuple(read_plugin(path) for path in paths)
    with plugins_in_use(read):
        for plugin in read:
            for one in SETS:
                one.require_usable(plugin)
        yield read


def load_plugin(path: str | os.PathLike[str]) -> None:
    """Use what a plugin file adds from now on; arguments and errors as `plugins`."""
    with plugins([Path(path)]) as tried:
        pass
    use_plugins(tried)
