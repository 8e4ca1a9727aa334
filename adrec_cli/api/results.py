"""What the functions of Python return: results with their table as a Polars frame, which notebooks show."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adrec_cli.schema import ITEM_ID, TITLE, USER_ID
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    import polars as pl

    from adrec_cli.artifacts.evaluation import Evaluation
    from adrec_cli.experiments.stage import StageResult
    from adrec_cli.pipeline.preprocess import PreprocessResult
    from adrec_cli.pipeline.recommend import RecommendedItem
    from adrec_cli.recommending.explaining import Explanation

_MOST_ROWS = 50
"""Rows of a table that a notebook shows."""


class Tabular(ABC):
    """A result that is a table, too."""

    @abstractmethod
    def to_frame(self) -> pl.DataFrame:
        """Return the result as a table of Polars."""

    @abstractmethod
    def describe(self) -> tuple[str, Sequence[str]]:
        """Return a heading for the table, and lines that belong below it."""

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from adrec_cli.pages.markup import element, join, table

        frame, (heading, lines) = self.to_frame(), self.describe()
        numeric = [name for name, kind in frame.schema.items() if kind.is_numeric()]
        rows = [[_show(value) for value in row] for row in frame.head(_MOST_ROWS).rows()]
        more = [f"{say_count(frame.height - _MOST_ROWS, 'more row')}: to_frame()"] if frame.height > _MOST_ROWS else []
        below = [element("div", line) for line in (*more, *lines)]
        return join([table(frame.columns, rows, right=numeric, caption=heading), *below]).text


def _show(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@dataclass(frozen=True, kw_only=True)
class PreparedDataset(Tabular):
    """A data set that `preprocess` made, or found to be made already; other functions take it as their data set.

    Attributes:
        name: in the workspace.
        folder: where it lies.
        statistics: users, items, interactions and so on, by name.
        skipped: whether nothing was done because source, options and version are unchanged.
        notes: what was found or assumed about the source.
        warnings: what seems wrong with it.
        result: all that is known of it.
    """

    name: str
    folder: Path
    statistics: dict[str, Any]
    skipped: bool
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    result: PreprocessResult = field(repr=False)

    @classmethod
    def of(cls, result: PreprocessResult) -> PreparedDataset:
        """Return what Python users see of a result."""
        return cls(
            name=result.manifest.dataset,
            folder=result.folder,
            statistics=result.manifest.statistics,
            skipped=result.skipped,
            notes=tuple(result.notes),
            warnings=tuple(result.warnings),
            result=result,
        )

    def __fspath__(self) -> str:
        return str(self.folder)

    def to_frame(self) -> pl.DataFrame:
        """Return the statistics as one row, with the `dataset` they are of."""
        import polars as pl

        return pl.DataFrame([{"dataset": self.name, **self.statistics}])

    def describe(self) -> tuple[str, Sequence[str]]:
        """Return a heading and the notes, as `Tabular`."""
        return f"{self.name} in {self.folder}", (*self.warnings, *self.notes)


@dataclass(frozen=True, kw_only=True)
class TrainedModel(Tabular):
    """A model that `train` made, stage by stage.

    Attributes:
        model, dataset: names.
        path: of the checkpoint of its last stage, which `evaluate` and `load_recommender` take.
        metrics: of validation after its last stage, by name.
        stages: of each, its checkpoint, and whether it was up to date.
    """

    model: str
    dataset: str
    path: Path
    metrics: dict[str, float]
    stages: tuple[StageResult, ...] = field(repr=False)

    @classmethod
    def of(cls, model: str, stages: Sequence[StageResult]) -> TrainedModel:
        """Return the model that stages came to, the last one's."""
        last = stages[-1]
        return cls(
            model=model,
            dataset=last.metadata.dataset,
            path=last.path,
            metrics=last.metadata.metrics.get("values", {}),
            stages=tuple(stages),
        )

    def __fspath__(self) -> str:
        return str(self.path)

    def to_frame(self) -> pl.DataFrame:
        """Return a row per stage: `stage`, `epoch` of the weights kept, `skipped`, `seconds`, `path`, metrics."""
        import polars as pl

        return pl.DataFrame(
            [
                {
                    "stage": stage.stage,
                    "epoch": stage.metadata.epoch,
                    "skipped": stage.skipped,
                    "seconds": stage.seconds,
                    "path": str(stage.path),
                    **stage.metadata.metrics.get("values", {}),
                }
                for stage in self.stages
            ],
            infer_schema_length=None,
        )

    def describe(self) -> tuple[str, Sequence[str]]:
        """Return a heading, as `Tabular`."""
        return f"{self.model} on {self.dataset}; metrics of validation", ()


@dataclass(frozen=True, kw_only=True)
class EvaluatedModel(Tabular):
    """Metrics on held-out items, with all that they depend on.

    Attributes:
        metrics: fractions by name, such as ndcg@10.
        protocol: its short code, such as loo/full/test.
        evaluation: all that is known of them.
    """

    metrics: dict[str, float]
    protocol: str
    evaluation: Evaluation = field(repr=False)

    @classmethod
    def of(cls, evaluation: Evaluation) -> EvaluatedModel:
        """Return what Python users see of an evaluation."""
        return cls(metrics=evaluation.metrics, protocol=evaluation.protocol, evaluation=evaluation)

    def to_frame(self) -> pl.DataFrame:
        """Return a row per metric: `metric`, `value`, and `lower` and `upper` bound at 95%."""
        import polars as pl

        bounds = self.evaluation.intervals
        return pl.DataFrame(
            [(name, value, *bounds.get(name, (None, None))) for name, value in self.metrics.items()],
            schema={"metric": pl.String, "value": pl.Float64, "lower": pl.Float64, "upper": pl.Float64},
            orient="row",
        )

    def describe(self) -> tuple[str, Sequence[str]]:
        """Return a heading and what the figures cannot say, as `Tabular`."""
        told = self.evaluation
        who = f"{told.model} {told.stage}".strip()
        heading = (
            f"{who} on {told.dataset}, {told.protocol}: "
            f"{say_count(told.users, 'user')}, {say_count(told.cases, 'target')}"
        )
        return heading, told.cautions()


if TYPE_CHECKING:
    _Items = list[RecommendedItem]
else:
    _Items = list


class RecommendedItems(_Items, Tabular):
    """The items that somebody is recommended, best first: a list that is a table, too.

    Attributes:
        explanations: of each item, where they were asked for and the model was.
    """

    def __init__(self, items: Iterable[RecommendedItem] = (), *, explanations: Iterable[Explanation] = ()) -> None:
        super().__init__(items)
        self.explanations = list(explanations)

    def to_frame(self) -> pl.DataFrame:
        """Return `rank`, `item_id`, `title` and `score`."""
        import polars as pl

        return pl.DataFrame(
            [(item.rank, item.item_id, item.title, item.score) for item in self],
            schema={"rank": pl.Int64, ITEM_ID: pl.String, TITLE: pl.String, "score": pl.Float64},
            orient="row",
        )

    def describe(self) -> tuple[str, Sequence[str]]:
        """Return a heading, as `Tabular`."""
        return f"{say_count(len(self), 'recommended item')}", ()


@dataclass(frozen=True, kw_only=True)
class RecommendedLists(Tabular):
    """What many people are recommended.

    Attributes:
        dataset, model, checkpoint_sha256: which ones.
        promoted: whether the model is the promoted one.
        unknown_users, unknown_items: that the model does not know; they were left out.
        without_list: users who got none, as all items that may come back are in their history.
        table: as `to_frame` returns it.
    """

    dataset: str
    model: str
    checkpoint_sha256: str
    promoted: bool
    unknown_users: tuple[str, ...]
    unknown_items: tuple[str, ...]
    without_list: tuple[str, ...]
    table: pl.DataFrame = field(repr=False)

    def to_frame(self) -> pl.DataFrame:
        """Return `user_id`, `rank`, `item_id`, `title`, `score`, `source` ("model" or "popular") and `model`."""
        return self.table

    def describe(self) -> tuple[str, Sequence[str]]:
        """Return a heading and who is left out, as `Tabular`."""
        people = self.table[USER_ID].n_unique()
        return f"{say_count(people, 'person', 'people')} on {self.dataset}, by {self.model}", tuple(
            _list_some(what, ids, more)
            for what, ids, more in (
                ("unknown user", self.unknown_users, ""),
                ("unknown item", self.unknown_items, ""),
                ("user", self.without_list, " without a list, as all items are in their history"),
            )
            if ids
        )


def _list_some(what: str, ids: Iterable[str], more: str) -> str:
    ids = list(ids)
    return f"{say_count(len(ids), what)}{more}, for example {', '.join(ids[:3])}"
