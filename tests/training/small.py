"""Any model over small data, for the tests of what must hold of all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from adrec_cli.data.batches import CUTS
from adrec_cli.models.registry import find_model, find_stages
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.runtime import make_generator
from adrec_cli.training.item_blocks import ItemBlocks
from adrec_cli.training.loop import StageTraining
from adrec_cli.training.processes import ALONE, Processes
from tests.training.test_loop import CPU, sequences

SIZES = {"hidden_size": 16, "gru_size": 16, "max_length": 10, "diffusion_steps": 4}


def small_training(
    model_name: str,
    stage: str = "train",
    *,
    network: Mapping[str, Any] = {},
    config: Mapping[str, Any] = {},
    device: torch.device = CPU,
    stepping: str = "auto",
    processes: Processes = ALONE,
    **changes: Any,
) -> StageTraining:
    """Return a stage with fresh weights that has not begun.

    Args:
        model_name, stage: registered.
        network: options of the model; those it does not have are left out.
        config: options that stages share.
        device, stepping: to compute on, and how.
        processes: that train together; with `shard_items` they cut the item table up.
        changes: options of the stage.
    """
    data, entry = sequences(items=40), find_model(model_name)
    known = {k: v for k, v in {**SIZES, **network}.items() if k in entry.config_type.__dataclass_fields__}
    model = entry(entry.config_type(**known), data.item_count)
    config = {"batch_size": 16, "seed": 3, "samples": find_model(model_name).default_training.samples, **config}
    for component in model.components():
        model.initialize(component, make_generator(0, component))
    blocks = ItemBlocks(model, processes) if config.get("shard_items") else None
    return StageTraining(
        name=stage, stage=dataclasses.replace(find_stages(model_name)[stage], **{"epochs": 2, **changes}),
        config=TrainingConfig(**config), model=model.to(device), stepping=stepping,
        windows=dataclasses.replace(
            CUTS[config["samples"]](data, 10), seconds=data.seconds if model.reads_times else None
        ),
        validate=dict, device=device, processes=processes, blocks=blocks,
    )  # fmt: skip
