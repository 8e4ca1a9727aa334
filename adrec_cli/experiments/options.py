"""Where the options of a training come from, and those that have a flag of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adrec_cli.choices import choice, embed
from adrec_cli.config import merge, parse_settings
from adrec_cli.experiments.work import TRAINING, ComputeOptions
from adrec_cli.models.registry import find_stages

if TYPE_CHECKING:
    from adrec_cli.experiments.experiment import Experiment
    from adrec_cli.models.stages import Stage


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions:
    """Where the options of a training come from, besides defaults and the parent checkpoint.

    Attributes:
        preset: a name, or None.
        config: a TOML file, or None.
        overrides: tables from flags, on top of everything.
    """

    preset: str | None = choice(
        None, str, "Preset of options, such as paper.", metavar="NAME", panel=TRAINING, usual=True
    )
    config: Path | None = choice(None, Path, "TOML file with options.", metavar="FILE", panel=TRAINING, usual=True)
    overrides: Mapping[str, Any] = choice(
        {},
        list[str],
        "Any option of the TOML file; repeatable.",
        key="set",
        read=parse_settings,
        metavar="TABLE.KEY=VALUE",
        panel=TRAINING,
        usual=True,
    )

    def on_dataset(self, model_name: str, dataset_name: str) -> Experiment:
        """Return the experiment that starts a model on a dataset; a preset takes the place of the dataset's recipe."""
        from adrec_cli.experiments.experiment import find_recipe

        return self.compose(model_name, {} if self.preset else find_recipe(dataset_name, model_name))

    def compose(self, model_name: str, inherited: Mapping[str, Any]) -> Experiment:
        """Return the experiment of a model on top of inherited tables."""
        # Not at the top: the help of the command line reads options without Polars and PyTorch.
        from adrec_cli.experiments.experiment import compose

        return compose(
            model_name, inherited=inherited, preset=self.preset, config=self.config, overrides=self.overrides
        )


_OF_STAGES: Final = ("epochs", "patience", "learning_rate", "mse_weight")
_OF_TRAINING: Final = ("monitor", "batch_size", "precision", "compile", "seed")
_OF_MODEL: Final = ("max_length",)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What is trained with: all that `adrec train` can be given.

    Those of `Stage`, `TrainingConfig` and the network that are usually chosen are options here too, over `sources`;
    None leaves what those say.

    Attributes:
        sources: of options.
        epochs, patience, learning_rate, mse_weight: of every stage that has them.
        monitor, batch_size, precision, compile, seed: of the training.
        max_length: of the network.
        compute: what it runs with.
    """

    sources: ExperimentOptions = embed(ExperimentOptions())
    epochs: int | None = choice(
        None, int, "Maximum number of epochs of each stage.", metavar="N", panel=TRAINING, usual=True
    )
    patience: int | None = choice(
        None,
        int,
        "Number of validations without improvement before training stops; 0 for never.",
        metavar="N",
        panel=TRAINING,
    )
    monitor: str | None = choice(
        None, str, "Validation metric that decides, such as ndcg@10.", metavar="METRIC", panel=TRAINING
    )
    learning_rate: float | None = choice(
        None, float, "Learning rate of the Adam optimizer.", metavar="X", panel=TRAINING, usual=True
    )
    batch_size: int | None = choice(None, int, "Training samples per step.", metavar="N", panel=TRAINING, usual=True)
    mse_weight: float | None = choice(None, float, "Weight of the denoising loss (eta).", metavar="X", panel=TRAINING)
    max_length: int | None = choice(
        None, int, "Maximum history length: the newest items a model sees.", metavar="N", panel=TRAINING
    )
    precision: str | None = choice(
        None,
        str,
        "Floating-point precision of matrix products in training: float32, medium or bf16.",
        metavar="NAME",
        panel=TRAINING,
        known=("float32", "bf16"),
    )
    compile: bool | None = choice(
        None, bool, "Compile the Transformer blocks with torch.compile.", panel=TRAINING, can_be_off=True
    )
    seed: int | None = choice(None, int, "Seed of weights, data order, dropout and noise.", metavar="N", panel=TRAINING)
    compute: ComputeOptions = embed(ComputeOptions())

    def experiment(self, model_name: str, stage_names: Sequence[str] = ()) -> ExperimentOptions:
        """Return the sources of options, with these on top of them.

        Args:
            model_name: whose stages they are for.
            stage_names: only these; none for all.
        """
        stages = find_stages(model_name)
        names = stage_names or list(stages)
        tables = {
            "model": self._collect_given(_OF_MODEL),
            "training": self._collect_given(_OF_TRAINING),
            "stages": {
                name: table for name in names if (table := self._stage_table(stages[name], alone=len(names) == 1))
            },
        }
        given = {name: table for name, table in tables.items() if table}
        return replace(self.sources, overrides=merge(self.sources.overrides, given))

    def _stage_table(self, stage: Stage, *, alone: bool) -> dict[str, Any]:
        table = self._collect_given(_OF_STAGES)
        # Over several stages the weight is for those that have the loss; a lone stage is taken at its word.
        if not alone and not stage.mse_weight:
            table.pop("mse_weight", None)
        return table

    def _collect_given(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: value for name in names if (value := getattr(self, name)) is not None}
