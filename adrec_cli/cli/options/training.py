"""Options of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from adrec_cli.cli import completion
from adrec_cli.cli.bounds import seconds_in
from adrec_cli.cli.options.common import Computing, option

if TYPE_CHECKING:
    from adrec_cli.experiments.options import ExperimentOptions
    from adrec_cli.experiments.work import ComputeOptions
    from adrec_cli.models.stages import Stage

_PANEL = "Training"


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a stage learns with; flags lie over --set, which lies over --config, which lies over --preset."""

    preset: Annotated[
        str | None, option("--preset", panel=_PANEL, metavar="NAME", help="Preset of options, such as paper.",
                            complete=completion.preset)
    ] = None  # fmt: skip
    config: Annotated[
        Path | None, option("--config", panel=_PANEL, metavar="FILE", help="TOML file with options.", dir_okay=False)
    ] = None
    set: Annotated[
        list[str] | None,
        option("--set", panel=_PANEL, metavar="TABLE.KEY=VALUE", help="Any option of the TOML file; repeatable."),
    ] = None
    epochs: Annotated[
        int | None, option("--epochs", panel=_PANEL, metavar="N", help="Maximum number of epochs of each stage.")
    ] = None
    patience: Annotated[
        int | None,
        option("--patience", panel=_PANEL, metavar="N",
                help="Validations without improvement before training stops; 0 for never."),
    ] = None  # fmt: skip
    monitor: Annotated[
        str | None, option("--monitor", panel=_PANEL, metavar="METRIC",
                help="Validation metric that decides, such as ndcg@10.")
    ] = None  # fmt: skip
    learning_rate: Annotated[
        float | None, option("--learning-rate", panel=_PANEL, metavar="X", help="Learning rate of the Adam optimizer.")
    ] = None
    batch_size: Annotated[
        int | None, option("--batch-size", panel=_PANEL, metavar="N", help="Training samples per step.")
    ] = None
    mse_weight: Annotated[
        float | None, option("--mse-weight", panel=_PANEL, metavar="X", help="Weight of the denoising loss (eta).")
    ] = None  # fmt: skip
    max_length: Annotated[
        int | None,
        option(
            "--max-length", panel=_PANEL, metavar="N", help="Maximum history length: the newest items a model sees."
        ),
    ] = None
    precision: Annotated[
        str | None,
        option("--precision", panel=_PANEL, metavar="NAME",
                help="Floating-point precision of matrix products in training: float32, medium or bf16.",
                complete=completion.among(["float32", "bf16"])),
    ] = None  # fmt: skip
    compile: Annotated[
        bool | None,
        option("--compile/--no-compile", panel=_PANEL, help="Compile the Transformer blocks with torch.compile."),
    ] = None
    seed: Annotated[
        int | None, option("--seed", panel=_PANEL, metavar="N", help="Seed of weights, data order, dropout and noise.")
    ] = None
    max_steps: Annotated[
        int | None,
        option("--max-steps", panel=_PANEL, metavar="N",
                help="Steps of this run; then it is saved, and the same command resumes it."),
    ] = None  # fmt: skip
    max_time: Annotated[
        str | None,
        option("--max-time", panel=_PANEL, metavar="TIME",
                help="Time of this run, such as 90s, 50m or 2h; then it is saved, and the same command resumes it."),
    ] = None  # fmt: skip
    resume: Annotated[
        bool | None,
        option("--resume/--fresh", panel=_PANEL, help="Require a matching unfinished run, or ignore it."),
    ] = None  # fmt: skip

    def experiment(self, model_name: str, stage_names: list[str] | None = None) -> ExperimentOptions:
        """Return the options as the pipeline takes them.

        Args:
            model_name: whose stages flags are for.
            stage_names: only these; None for all.
        """
        from adrec_cli.config import merge
        from adrec_cli.experiments.experiment import parse_settings
        from adrec_cli.experiments.options import ExperimentOptions
        from adrec_cli.models.registry import find_stages

        model_stages = find_stages(model_name)
        names = stage_names or list(model_stages)
        stages = {
            name: table for name in names if (table := self._stage_table(model_stages[name], alone=len(names) == 1))
        }
        tables = {
            "model": self._collect_given("max_length"),
            "training": self._collect_given("monitor", "batch_size", "precision", "compile", "seed"),
            "stages": stages,
        }
        flags = {name: table for name, table in tables.items() if table}
        overrides = merge(parse_settings(self.set or []), flags)
        return ExperimentOptions(preset=self.preset, config=self.config, overrides=overrides)

    def _stage_table(self, stage: Stage, *, alone: bool) -> dict[str, Any]:
        table = self._collect_given("epochs", "patience", "learning_rate", "mse_weight")
        # Over several stages the weight is for those that have the loss; a lone stage is taken at its word.
        if not alone and not stage.mse_weight:
            table.pop("mse_weight", None)
        return table

    def compute_options(self, computing: Computing, *, force: bool, resume: str | None = None) -> ComputeOptions:
        """Return how to run; `resume` takes the place of the flag."""
        from adrec_cli.experiments.work import ComputeOptions

        resume = resume or {None: "auto", True: "require", False: "never"}[self.resume]
        return ComputeOptions(
            device=computing.device, threads=computing.threads, resume=resume, force=force, max_steps=self.max_steps,
            max_time=None if self.max_time is None else seconds_in(self.max_time),
        )  # fmt: skip

    def _collect_given(self, *names: str) -> dict[str, Any]:
        return {name: value for name in names if (value := getattr(self, name)) is not None}
