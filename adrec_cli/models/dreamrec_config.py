"""The options of DreamRec's network, and what is known of the model without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from adrec_cli.config import require_at_least, require_one_of, require_positive, require_share
from adrec_cli.diffusion.names import require_schedule
from adrec_cli.models.facts import ModelFacts
from adrec_cli.models.network_config import AttentionConfig
from adrec_cli.models.stages import Stage, TrainingConfig

DENOISERS = ("linear", "mlp")


@dataclass(frozen=True, kw_only=True)
class DreamRecConfig(AttentionConfig):
    """Options of DreamRec; defaults follow its code, but for target_gradient.

    Attributes:
        blocks, heads: of the Transformer that encodes the history.
        dropout: of the encoder and its input.
        initializer_range: standard deviation of fresh item vectors; 1, as they are what noise is added to.
        diffusion_steps: T.
        noise_schedule: a name in `diffusion.schedules`.
        denoiser: "linear", one layer over x_t, condition and timestep, or "mlp", two with GELU between.
        condition_dropout: probability p that a token is trained without its history.
        guidance: w of classifier-free guidance: x_start = (1 + w) f(condition) - w f(no condition).
        target_gradient: the loss moves the target's vector too, as in the code; it falls to nothing then, as all
            vectors draw together. Without, vectors are learned as inputs only and stay apart.
    """

    even: ClassVar[bool] = True
    hidden_size: int = 64
    blocks: int = 1
    heads: int = 1
    initializer_range: float = 1.0
    diffusion_steps: int = 200
    noise_schedule: str = "exponential"
    denoiser: str = "linear"
    condition_dropout: float = 0.1
    guidance: float = 2.0
    target_gradient: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "diffusion_steps", table="model")
        require_share(self, "condition_dropout", table="model")
        require_positive(self, "initializer_range", table="model")
        require_at_least(self, 0, "guidance", table="model")
        require_one_of(self, "denoiser", DENOISERS, table="model")
        require_schedule(self.noise_schedule, self.diffusion_steps)


class DreamRecFacts(ModelFacts):
    """What is known of DreamRec without its network."""

    name: ClassVar[str] = "dreamrec"
    title: ClassVar[str] = "DreamRec"
    colour: ClassVar[str] = "#CC79A7"
    config_type: ClassVar[type[Any]] = DreamRecConfig
    stages: ClassVar[Mapping[str, Stage]] = MappingProxyType(
        {
            "train": Stage(
                output="x_start",
                trains=("item_embedding", "encoder", "denoiser"),
                fresh=("item_embedding", "encoder", "denoiser"),
                ce_weight=0.0,
                mse_weight=1.0,
                patience=20,
            )
        }
    )
    # Its batches have 256 targets, which 32 sequences have about; decay would shrink item vectors that start at unit
    # size and are pulled by an MSE alone, until only noise is left of them.
    default_training: ClassVar[TrainingConfig] = TrainingConfig(batch_size=32, weight_decay=0.0)
    outputs: ClassVar[tuple[str, ...]] = ("x_start",)
    sampled_outputs: ClassVar[tuple[str, ...]] = ("x_start",)
