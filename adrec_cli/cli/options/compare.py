"""Options of comparing: which models, in which metrics, with how many seeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from adrec_cli.cli import completion
from adrec_cli.cli.options.common import option

if TYPE_CHECKING:
    from adrec_cli.experiments.options import ExperimentOptions
    from adrec_cli.pipeline.compare import CompareOptions

_PANEL, _SEEDS = "Comparing", "Several seeds"


@dataclass(frozen=True, kw_only=True)
class Comparing:
    """What is compared."""

    models: Annotated[
        str,
        option("--models", panel=_PANEL, metavar="NAME,...",
               help="Models, or MODEL/STAGE such as adrec/pretrain [default: all that are trained, and mostpop].",
               complete=completion.models_to_compare),
    ] = ""  # fmt: skip
    metrics: Annotated[
        str,
        option(
            "--metrics", panel=_PANEL, metavar="NAME,...", help="Metrics to show and test; the first decides the order."
        ),
    ] = "ndcg@10,hr@10"
    against: Annotated[
        str | None,
        option("--against", panel=_PANEL, metavar="NAME",
               help="Model to compare the others with [default: the best one other than adrec].",
               complete=completion.models_to_compare),
    ] = None  # fmt: skip
    evaluate: Annotated[
        bool,
        option("--evaluate/--no-evaluate", panel=_PANEL,
               help="Evaluate models that have no up-to-date evaluation, or leave them out."),
    ] = True  # fmt: skip

    def options(self, *, seeds: int) -> CompareOptions:
        """Return the options as the pipeline takes them."""
        from adrec_cli.pipeline.compare import CompareOptions

        return CompareOptions(
            models=_names(self.models),
            metrics=_names(self.metrics),
            against=self.against,
            evaluate=self.evaluate,
            seeds=seeds,
        )


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """How models are trained again."""

    seeds: Annotated[
        int,
        option("--seeds", panel=_SEEDS, metavar="N",
               help="Train every model with N seeds in folders of their own and average; finished trainings "
                    "are skipped."),
    ] = 0  # fmt: skip
    preset: Annotated[
        str | None,
        option("--preset", panel=_SEEDS, metavar="NAME",
               help="Preset to train with, instead of the options each model was trained "
                    "with.", complete=completion.preset),
    ] = None  # fmt: skip
    config: Annotated[
        Path | None, option("--config", panel=_SEEDS, metavar="FILE", help="TOML file with options.", dir_okay=False)
    ] = None
    set: Annotated[
        list[str] | None,
        option("--set", panel=_SEEDS, metavar="TABLE.KEY=VALUE", help="Any option of the TOML file; repeatable."),
    ] = None

    def experiment(self) -> ExperimentOptions:
        """Return the options of the trainings."""
        from adrec_cli.experiments.experiment import parse_settings
        from adrec_cli.experiments.options import ExperimentOptions

        return ExperimentOptions(preset=self.preset, config=self.config, overrides=parse_settings(self.set or []))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
