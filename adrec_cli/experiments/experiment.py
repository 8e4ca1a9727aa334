"""One experiment: a model's options, the shared training options and its stages, put together from all sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from adrec_cli.config import build, merge, option_names, read_preset, read_toml, require_known
from adrec_cli.data.named_datasets import dataset_names, load_dataset_spec
from adrec_cli.errors import UsageError
from adrec_cli.models.item_table import ItemTableConfig
from adrec_cli.models.registry import find_facts, find_stages
from adrec_cli.models.stages import Stage, TrainingConfig, require_compatible
from adrec_cli.wording import command, option

_TABLES = ["preset", "model", "training", "stages"]
SAMPLING: Final = "sampling"
"""The table of options that ranking reads, and no training."""
EVERY_STAGE: Final = "*"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything a training depends on besides its data.

    Attributes:
        model_name: registered.
        model: the network's configuration, a dataclass of the model's file.
        training: shared by all stages.
        stages: in the order they run in, those to skip among them.
        left_out: what of a recipe or a preset does not go with what was asked for, in a line by stage.
    """

    model_name: str
    model: Any
    training: TrainingConfig
    stages: dict[str, Stage]
    left_out: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not self.planned:
            raise UsageError("nothing to train: every stage is skipped", hint="leave one stage without skip = true")
        for name in self.planned:
            require_compatible(name, self.stages[name], self.training)

    @property
    def planned(self) -> list[str]:
        """The names of the stages that run, in order."""
        return [name for name, stage in self.stages.items() if not stage.skip]

    def stage_before(self, name: str) -> str:
        """Return the stage that another one starts from.

        Raises:
            UsageError: no such stage, or it is skipped or the first one.
        """
        if name not in self.planned[1:]:
            raise UsageError(
                f"{name!r} is not a later stage of {self.model_name} with these options",
                hint=f"its stages are: {', '.join(self.planned)}; {command('train')} runs them in a row",
            )
        return self.planned[self.planned.index(name) - 1]

    def tables(self) -> dict[str, Any]:
        """Return it as nested tables, in the form `compose` reads."""
        return {
            "model": _as_table(self.model),
            "training": _as_table(self.training),
            "stages": {name: _as_table(stage) for name, stage in self.stages.items()},
        }


def compose(
    model_name: str,
    *,
    inherited: Mapping[str, Any] | None = None,
    preset: str | None = None,
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Experiment:
    """Lay defaults, what is inherited, a preset, a TOML file and flags over each other, later ones on top.

    Args:
        model_name: registered.
        inherited: tables of the parent checkpoint or of the dataset's recipe.
        preset: a name; a `preset` key in the TOML file counts when this is None.
        config: a TOML file with any of the tables [model], [training], [stages.NAME], [stages."*"].
        overrides: tables from flags.

    Raises:
        UsageError: an unknown key or preset, or a value out of range.
    """
    from_file = read_toml(config) if config else {}
    preset = preset or _read_preset_of(from_file, config)
    preset_tables = read_preset(preset) if preset else {}
    default_stages = find_stages(model_name)
    said = (inherited or {}, preset_tables, from_file, overrides or {})
    wheres = ("", f" of preset {preset}", f" of {config}", "")
    layers = [(where, _name_every_stage(layer, default_stages)) for where, layer in zip(wheres, said, strict=True)]
    model_type = find_facts(model_name)
    config_type = model_type.config_type
    for where, layer in layers:
        _check(layer, config_type, default_stages, where)
    tables = merge(*(layer for _, layer in layers))
    stages = {
        name: build(Stage, tables.get("stages", {}).get(name, {}), where=f"[stages.{name}]", base=stage)
        for name, stage in default_stages.items()
    }
    model = build(config_type, tables.get("model", {}), where="[model]")
    asked = merge(*(layer for _, layer in layers[2:]))
    left_out = _leave_out_decay(stages, model, asked.get("stages", {}))
    return Experiment(
        model_name=model_name,
        model=model,
        training=build(
            TrainingConfig, tables.get("training", {}), where="[training]", base=model_type.default_training
        ),
        stages=stages,
        left_out=left_out,
    )


def _name_every_stage(layer: Mapping[str, Any], stages: Mapping[str, Stage]) -> Mapping[str, Any]:
    """Return a layer in which `stages.*` stands at each stage; what is said of one stage goes over it."""
    said = layer.get("stages")
    everywhere = said.get(EVERY_STAGE) if isinstance(said, Mapping) else None
    if not isinstance(said, Mapping) or not isinstance(everywhere, Mapping):
        return layer
    of_one = {name: table for name, table in said.items() if name != EVERY_STAGE}
    return {**layer, "stages": merge(dict.fromkeys(stages, everywhere), of_one)}


def _leave_out_decay(stages: dict[str, Stage], model: Any, asked: Mapping[str, Any]) -> dict[str, str]:
    """Take `embedding_decay` from stages where nobody asked for it and item vectors are computed; return what to say.

    Recipes and presets name it for tables of item vectors, which a model that computes them does not have.
    """
    if not (isinstance(model, ItemTableConfig) and model.computes_item_vectors):
        return {}
    said = {}
    for name, stage in stages.items():
        if stage.embedding_decay and "embedding_decay" not in asked.get(name, {}):
            stages[name] = replace(stage, embedding_decay=0.0)
            said[name] = (
                f"embedding_decay = {stage.embedding_decay:g} is left out, as model.content = {model.content!r} "
                "computes item vectors"
            )
    return said


def _read_preset_of(tables: Mapping[str, Any], path: Path | None) -> str | None:
    preset = tables.get("preset")
    if preset is not None and not isinstance(preset, str):
        raise UsageError(f"preset of {path} must be a name, got {str(preset)[:100]}")
    return preset


def find_recipe(dataset_name: str, model_name: str) -> Mapping[str, Any]:
    """Return the options a named dataset recommends for a model; empty where it has none."""
    if dataset_name not in dataset_names():
        return {}
    recipe: Mapping[str, Any] = load_dataset_spec(dataset_name).recipe.get(model_name, {})
    return recipe


def _as_table(config: Any) -> dict[str, Any]:
    """Return a configuration as TOML and JSON have it: `lambda` for `lambda_`, lists for tuples."""
    return {
        name.rstrip("_"): list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()
    }


def _check(layer: Mapping[str, Any], config_type: type[Any], stages: Mapping[str, Stage], where: str) -> None:
    """Refuse unknown keys of one layer, so that the message names where they stand."""
    if SAMPLING in layer:
        raise UsageError(
            f"{SAMPLING}{where} is chosen where a model ranks, not where it is trained",
            hint=f"for example {option('steps', 4)} of evaluate, or {option('vary', f'{SAMPLING}.steps=1,4')} of sweep",
        )
    require_known(layer, _TABLES, where=where.removeprefix(" of "))
    for table in ("model", "training", "stages"):
        if not isinstance(layer.get(table, {}), Mapping):
            raise UsageError(f"[{table}]{where} must be a table, got {layer[table]!r}")
    require_known(layer.get("model", {}), option_names(config_type), where=f"[model]{where}")
    require_known(layer.get("training", {}), option_names(TrainingConfig), where=f"[training]{where}")
    require_known(layer.get("stages", {}), list(stages), where=f"[stages]{where}")
    for name, stage in layer.get("stages", {}).items():
        if not isinstance(stage, Mapping):
            raise UsageError(f"[stages.{name}]{where} must be a table, got {stage!r}")
        require_known(stage, option_names(Stage), where=f"[stages.{name}]{where}")
