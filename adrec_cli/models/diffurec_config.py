"""The options of DiffuRec's network, and what is known of the model without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from adrec_cli.config import require_at_least, require_positive, require_share
from adrec_cli.diffusion.names import require_schedule
from adrec_cli.models.facts import ModelFacts
from adrec_cli.models.network_config import AttentionConfig
from adrec_cli.models.stages import Stage, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class DiffuRecConfig(AttentionConfig):
    """Options of DiffuRec; defaults follow its paper and code.

    Attributes:
        blocks: of the approximator.
        dropout: of attention weights, feed-forward and residual branches.
        embedding_dropout: of item vectors before their LayerNorm.
        initializer_range: standard deviation of fresh item vectors.
        diffusion_steps: T.
        noise_schedule: a name in `diffusion.schedules`.
        delta: mean and standard deviation of lambda, the weight of x_t and of the timestep at each position.
    """

    even: ClassVar[bool] = True
    blocks: int = 4
    embedding_dropout: float = 0.3
    initializer_range: float = 0.02
    diffusion_steps: int = 32
    noise_schedule: str = "trunc_lin"
    delta: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "diffusion_steps", table="model")
        require_share(self, "embedding_dropout", table="model")
        require_positive(self, "initializer_range", "delta", table="model")
        require_schedule(self.noise_schedule, self.diffusion_steps)


class DiffuRecFacts(ModelFacts):
    """What is known of DiffuRec without its network."""

    name: ClassVar[str] = "diffurec"
    title: ClassVar[str] = "DiffuRec"
    colour: ClassVar[str] = "#E69F00"
    config_type: ClassVar[type[Any]] = DiffuRecConfig
    stages: ClassVar[Mapping[str, Stage]] = MappingProxyType(
        {
            "train": Stage(
                output="x_start",
                trains=("item_embedding", "approximator"),
                fresh=("item_embedding", "approximator"),
                patience=20,
            )
        }
    )
    default_training: ClassVar[TrainingConfig] = TrainingConfig(samples="prefixes")
    outputs: ClassVar[tuple[str, ...]] = ("x_start",)
    sampled_outputs: ClassVar[tuple[str, ...]] = ("x_start",)
    needs_prefixes: ClassVar[bool] = True
