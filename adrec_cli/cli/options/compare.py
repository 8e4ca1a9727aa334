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
               help="Models, or MODEL/STAGE such as adrec/pretrain; all that are trained, and mostpop, by default.",
               complete=completion.compared_models),
    ] = ""  # fmt: skip
    metrics: Annotated[
        str,
        option(
            "--metrics", panel=_PANEL, metavar="NAME,...", help="Shown and tested; the first one decides the order."
        ),
    ] = "ndcg@10,hr@10"
    against: Annotated[
        str | None,
        option("--against", panel=_PANEL, metavar="NAME",
               help="Model that differences are to; the best one other than adrec by default.",
               complete=completion.compared_models),
    ] = None  # fmt: skip
    evaluate: Annotated[
        bool,
        option("--evaluate/--no-evaluate", panel=_PANEL,
               help="Evaluate what has not been, or not as it is now; or leave it out."),
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
               help="Train every model with N seeds, beside itself, and average; resumes, and skips what is done."),
    ] = 0  # fmt: skip
    preset: Annotated[
        str | None,
        option("--preset", panel=_SEEDS, metavar="NAME",
               help="Options that ship, instead of those a model was trained with.", complete=completion.preset),
    ] = None  # fmt: skip
    config: Annotated[
        Path | None, option("--config", panel=_SEEDS, metavar="FILE", help="Options in TOML.", dir_okay=False)
    ] = None
    set: Annotated[
        list[str] | None,
        option("--set", panel=_SEEDS, metavar="TABLE.KEY=VALUE", help="Any option of the TOML; repeatable."),
    ] = None

    def experiment(self) -> ExperimentOptions:
        """Return the options of the trainings."""
        from adrec_cli.experiments.experiment import parse_settings
        from adrec_cli.experiments.options import ExperimentOptions

        return ExperimentOptions(preset=self.preset, config=self.config, overrides=parse_settings(self.set or []))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
