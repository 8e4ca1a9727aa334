"""Workers of Spark, which do the pieces of something."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from adrec_cli.engines.spark.session import open_context

if TYPE_CHECKING:
    from pyspark import SparkContext

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class SparkWorkers:
    """The workers of a Spark that runs."""

    context: SparkContext

    @property
    def width(self) -> int:
        """How many pieces they do at once."""
        return int(self.context.defaultParallelism)

    def run(self, do: Callable[[P], R], pieces: Sequence[P]) -> list[R]:
        """Do something to each piece, a piece a task, and return what came of it in their order."""
        done: list[R] = self.context.parallelize(pieces, len(pieces)).map(do).collect()
        return done


@contextlib.contextmanager
def open_workers(master: str | None) -> Iterator[SparkWorkers]:
    """Yield the workers of Spark; argument and errors as `open_context`."""
    with open_context(master) as context:
        yield SparkWorkers(context)
