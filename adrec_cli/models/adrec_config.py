"""The options of ADRec's network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from adrec_cli.config import require_at_least, require_one_of, require_positive, require_share
from adrec_cli.diffusion.names import KINDS, PER, TIMESTEP_SAMPLING, require_schedule
from adrec_cli.errors import UsageError
from adrec_cli.models.facts import ModelFacts
from adrec_cli.models.network_config import TimedConfig, require_divisible
from adrec_cli.models.stages import Stage

if TYPE_CHECKING:
    from adrec_cli.diffusion.noising import Noising

DENOISERS = ("transformer", "mlp")
BLOCKS = ("attention", "frequency")
POSITIONS = ("none", "learned")


@dataclass(frozen=True, kw_only=True)
class ADRecConfig(TimedConfig):
    """Options of the ADRec network; defaults follow the paper's code.

    Attributes:
        cam_blocks, adm_blocks: Transformer blocks of the causal attention and the auto-regressive diffusion module.
        block: of CAM and ADM, "attention", or "frequency": mixed with a causal filter of slow and quick, as in BSARec.
        filter_share, filter_components: of "frequency", alpha and c of BSARec.
        denoiser: "transformer", or "mlp": the ADM is one feed-forward network over each token by itself.
        heads: of attention; divides hidden_size.
        dropout: of attention weights, feed-forward and residual branches.
        embedding_dropout: of item vectors.
        positions: "none", or "learned": the CAM's inputs get a vector by how many items of the history come after
            them, as in SASRec.
        norm_first: their LayerNorm comes before this dropout, as in the official code's pretraining, not after it.
        item_dropout: of the item vectors themselves, drawn once a batch, for inputs, noisy targets and the catalogue
            alike.
        initializer_range: standard deviation of fresh item vectors.
        diffusion_steps: T.
        noise_schedule: a name in `diffusion.schedules`.
        beta_a, beta_b: of the schedule "beta"; the others have no parameters.
        noise: "gaussian", or "geodesic": item vectors count by their directions, and noise turns them.
        noise_per: "token" draws a timestep for each token, "sequence" one for all tokens of a sequence.
        timestep_sampling: "uniform", or "loss_aware": in proportion to the denoising loss; weights make up for it.
        lambda_: weight of x_t and of the timestep at the denoiser's input.
        padding_key: as many padding keys as a sequence is shorter than max_length take part in attention, as in the
            official code: it tells the model how long the history is; padding has a learned vector then.
        condition_dropout: share of the sequences that the ADM is trained on without the CAM's output.
        guidance: w of classifier-free guidance at inference, x_start = (1 + w) f(condition) - w f(no condition);
            above 0 only with condition_dropout.
    """

    cam_blocks: int = 2
    adm_blocks: int = 2
    block: str = "attention"
    filter_share: float = 0.7
    filter_components: int = 5
    denoiser: str = "transformer"
    heads: int = 4
    embedding_dropout: float = 0.3
    positions: str = "none"
    norm_first: bool = False
    item_dropout: float = 0.0
    initializer_range: float = 0.02
    diffusion_steps: int = 32
    noise_schedule: str = "trunc_lin"
    beta_a: float = 0.3
    beta_b: float = 10.0
    noise: str = "gaussian"
    noise_per: str = "token"
    timestep_sampling: str = "uniform"
    lambda_: float = 1e-3
    padding_key: bool = False
    condition_dropout: float = 0.0
    guidance: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(
            self, 1, "cam_blocks", "adm_blocks", "heads", "diffusion_steps", "filter_components", table="model"
        )
        require_share(self, "embedding_dropout", "item_dropout", "condition_dropout", table="model")
        require_divisible(self.hidden_size, self.heads, even=True)
        require_positive(self, "initializer_range", "beta_a", "beta_b", table="model")
        if not 0 <= self.filter_share <= 1:
            raise UsageError(f"model.filter_share must be in [0, 1], got {self.filter_share}")
        for key, value in (("block", "frequency"), ("positions", "learned")):
            if self.padding_key and getattr(self, key) == value:
                hint = "choose one of the two"
                raise UsageError(f"model.padding_key does not go with model.{key} {value!r}", hint=hint)
        require_one_of(self, "block", BLOCKS, table="model")
        require_one_of(self, "positions", POSITIONS, table="model")
        require_one_of(self, "denoiser", DENOISERS, table="model")
        require_one_of(self, "noise", KINDS, table="model")
        require_one_of(self, "noise_per", PER, table="model")
        require_one_of(self, "timestep_sampling", TIMESTEP_SAMPLING, table="model")
        require_at_least(self, 0, "guidance", table="model")
        self.guidance_scale(None)
        if self.padding_key and self.condition_dropout:
            raise UsageError("model.padding_key does not go with model.condition_dropout", hint="choose one of the two")
        require_schedule(self.noise_schedule, self.diffusion_steps, beta_a=self.beta_a, beta_b=self.beta_b)

    def noising(self) -> Noising:
        """Return how targets are made noisy."""
        from adrec_cli.diffusion.noising import Noising
        from adrec_cli.diffusion.process import GaussianDiffusion

        diffusion = GaussianDiffusion.from_schedule(
            self.noise_schedule, self.diffusion_steps, beta_a=self.beta_a, beta_b=self.beta_b
        )
        return Noising(diffusion, kind=self.noise, per=self.noise_per, timestep_sampling=self.timestep_sampling)

    def guidance_scale(self, asked: float | None) -> float:
        """Return w, as asked for or, if that is None, as configured.

        Raises:
            UsageError: it is above 0, and the ADM is never trained without a condition.
        """
        scale = self.guidance if asked is None else asked
        if scale and not self.condition_dropout:
            raise UsageError(
                "guidance needs a model trained with model.condition_dropout",
                hint="for example condition_dropout = 0.1",
            )
        return scale


class ADRecFacts(ModelFacts):
    """What is known of ADRec without its network."""

    name: ClassVar[str] = "adrec"
    title: ClassVar[str] = "ADRec"
    colour: ClassVar[str] = "#0072B2"
    config_type: ClassVar[type[Any]] = ADRecConfig
    stages: ClassVar[Mapping[str, Stage]] = MappingProxyType(
        {
            "pretrain": Stage(output="condition", trains=("item_embedding", "cam"), fresh=("item_embedding", "cam")),
            "align": Stage(
                output="x_start",
                trains=("cam", "adm"),
                fresh=("adm",),
                mse_weight=1.0,
                epochs=5,
                patience=0,
                keep="last",
            ),
            "finetune": Stage(output="x_start", trains=("item_embedding", "cam", "adm"), mse_weight=1.0),
        }
    )
    # Source: the ablations of the ADRec paper, section 5.
    ablations: ClassVar[Mapping[str, str | Mapping[str, Any]]] = MappingProxyType(
        {
            "three-stage": "no-three-stage",
            "pretrain": "no-pretrain",
            "align": "no-align",
            "carried-cam": "fresh-cam",
            "mse": "no-mse",
            "token-level": "per-sequence",
            "transformer-denoiser": "mlp-denoiser",
        }
    )
    outputs: ClassVar[tuple[str, ...]] = ("condition", "x_start")
    sampled_outputs: ClassVar[tuple[str, ...]] = ("x_start",)
    exported_outputs: ClassVar[tuple[str, ...]] = ("x_start",)
    recordable: ClassVar[bool] = True
    unread_options: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType(
        {
            "condition": frozenset(
                {"diffusion_steps", "noise_schedule", "beta_a", "beta_b", "noise", "noise_per", "timestep_sampling"}
                | {"lambda_", "condition_dropout", "guidance"}
            )
        }
    )
