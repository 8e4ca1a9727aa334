"""Parts of interactions on the disks of Spark's workers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from adrec_cli.engines.parts import Sum

if TYPE_CHECKING:
    from pyspark import RDD

S = TypeVar("S", bound=Sum)


class SparkParts:
    """Parts, each the only element of a partition, in ascending order of their users."""

    def __init__(self, parts: RDD[Any]) -> None:
        self._held = self._parts = parts

    def step(self, change: Callable[[Any], tuple[Any, S]]) -> S:
        """Change what every part holds, and return the sum of what this tells."""
        from pyspark import StorageLevel

        changed = self._parts.map(change).persist(StorageLevel.DISK_ONLY)
        # Else the plan grows with every step, and so does what is done again where a worker is lost.
        changed.localCheckpoint()
        total: S = changed.map(operator.itemgetter(1)).treeReduce(operator.add)
        self._held.unpersist()
        self._held, self._parts = changed, changed.map(operator.itemgetter(0))
        return total

    def __iter__(self) -> Iterator[Any]:
        """Yield what every part holds, one after the other."""
        return iter(self._parts.toLocalIterator(prefetchPartitions=True))
