"""ADRec: per-token auto-regressive diffusion for sequential recommendation.

Source: Chen, Xu, Jiang, "Unlocking the Power of Diffusion Models in Sequential Recommendation: A Simple and Effective
Approach", KDD 2025, arXiv 2505.19544.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import nn

from adrec_cli.config import require_at_least, require_one_of, require_positive, require_share
from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import ddpm, noise_source
from adrec_cli.diffusion.timesteps import uniform_timesteps
from adrec_cli.errors import UsageError
from adrec_cli.layers.attention import packed_causal_mask
from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import ItemEmbedding, TimestepEmbedding
from adrec_cli.layers.transformer import LAYER_NORM_EPS, CausalTransformer
from adrec_cli.models.base import HistoryBatch, PackedBatch, Sampling, SequentialRecommender, TokenOutputs

NOISE_PER = ("token", "sequence")


@dataclass(frozen=True, kw_only=True)
class ADRecConfig:
    """Options of the ADRec network; defaults follow the paper's code.

    Attributes:
        hidden_size: D.
        cam_blocks, adm_blocks: Transformer blocks of the causal attention and the auto-regressive diffusion module.
        heads: of attention; divides hidden_size.
        max_length: L, the newest items of a history that are used.
        dropout: of attention weights, feed-forward and residual branches.
        embedding_dropout: of item vectors before their LayerNorm.
        initializer_range: standard deviation of fresh item vectors.
        diffusion_steps: T.
        noise_schedule: a name in `diffusion.schedules`.
        noise_per: "token" draws a timestep for each token, "sequence" one for all tokens of a sequence.
        lambda_: weight of x_t and of the timestep at the denoiser's input.
    """

    hidden_size: int = 128
    cam_blocks: int = 2
    adm_blocks: int = 2
    heads: int = 4
    max_length: int = 50
    dropout: float = 0.1
    embedding_dropout: float = 0.3
    initializer_range: float = 0.02
    diffusion_steps: int = 32
    noise_schedule: str = "trunc_lin"
    noise_per: str = "token"
    lambda_: float = 1e-3

    def __post_init__(self) -> None:
        require_at_least(
            self, 1, "hidden_size", "cam_blocks", "adm_blocks", "heads", "max_length", "diffusion_steps", table="model"
        )
        require_share(self, "dropout", "embedding_dropout", table="model")
        if self.hidden_size % self.heads or self.hidden_size % 2:
            raise UsageError(f"model.hidden_size {self.hidden_size} must be even and divisible by heads {self.heads}")
        require_positive(self, "initializer_range", table="model")
        require_one_of(self, "noise_per", NOISE_PER, table="model")
        GaussianDiffusion.named(self.noise_schedule, self.diffusion_steps)


class ADRec(SequentialRecommender):
    """The causal attention module (CAM) and the auto-regressive diffusion module (ADM) over shared item vectors.

    Two outputs can be trained and ranked by: "condition", what the CAM says (stage pretrain), and "x_start", what the
    ADM denoises to (stages align and finetune).
    """

    name: ClassVar[str] = "adrec"
    outputs: ClassVar[tuple[str, ...]] = ("condition", "x_start")
    sampled_outputs: ClassVar[tuple[str, ...]] = ("x_start",)
    unread_options: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType(
        {"condition": frozenset({"diffusion_steps", "noise_schedule", "lambda_"})}
    )

    def __init__(self, config: ADRecConfig, items: int) -> None:
        super().__init__()
        self.config = config
        self.max_length = config.max_length
        self.diffusion = GaussianDiffusion.named(config.noise_schedule, config.diffusion_steps)
        self.item_embedding = ItemEmbedding(items, config.hidden_size)
        self.input_norm = nn.LayerNorm(config.hidden_size, eps=LAYER_NORM_EPS)
        self.cam = self._transformer(config.cam_blocks)
        self.adm = self._transformer(config.adm_blocks)
        self.timestep_embedding = TimestepEmbedding(config.hidden_size, config.diffusion_steps)

    def _transformer(self, blocks: int) -> CausalTransformer:
        return CausalTransformer(
            width=self.config.hidden_size,
            blocks=blocks,
            heads=self.config.heads,
            dropout_probability=self.config.dropout,
        )

    def components(self) -> Mapping[str, nn.Module]:
        """Return item_embedding, cam (with the input's LayerNorm) and adm (with the timestep embedding)."""
        return {
            "item_embedding": self.item_embedding,
            "cam": nn.ModuleList([self.input_norm, self.cam]),
            "adm": nn.ModuleList([self.adm, self.timestep_embedding]),
        }

    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights for one component."""
        if component == "item_embedding":
            self.item_embedding.initialize(generator, self.config.initializer_range)
        elif component == "cam":
            self.cam.initialize(generator)
            nn.init.ones_(self.input_norm.weight)
            nn.init.zeros_(self.input_norm.bias)
        else:
            self.adm.initialize(generator)
            self.timestep_embedding.initialize(generator)

    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """Return "condition" or "x_start" for every real token of a packed batch.

        Args:
            batch: packed sequences.
            output: which of `outputs`.
            generator: draws dropout, timesteps and noise; None only for "condition" (evaluation).

        Source: ADRec eq. 2-9, algorithm 1.
        """
        real_RL = batch.real_RL
        mask_R1LL = packed_causal_mask(batch.segments_RL)
        condition_RLD = self._condition(batch.inputs_RL, mask_R1LL, generator)
        if output == "condition":
            predicted_RLD, x_start_ND = condition_RLD, None
        else:
            if generator is None:
                raise ValueError("x_start of a training batch needs a generator for timesteps and noise")
            x_start_RLD = self.item_embedding(batch.targets_RL)
            t_RL = self._timesteps(batch, generator)
            noise_RLD = torch.randn(x_start_RLD.shape, generator=generator, device=x_start_RLD.device)
            predicted_RLD = self._denoise(condition_RLD, x_start_RLD, t_RL, noise_RLD, mask_R1LL, generator)
            x_start_ND = x_start_RLD[real_RL]
        return TokenOutputs(
            predicted_ND=predicted_RLD[real_RL],
            x_start_ND=x_start_ND,
            targets_N=batch.targets_RL[real_RL],
            weights_N=batch.sequence_weights_N(),
        )

    @torch.no_grad()
    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return representation_BD: the CAM's last output, or the denoised vector of the next item.

        The history stays clean (t = 0, real targets) and only the position after it is denoised. As attention is
        causal, the history's keys and values in the ADM are the same at every step, so they are computed once and each
        step runs on one token.

        Args:
            histories: left-aligned, each of at least one item.
            output: which of `outputs`.
            sampling: steps and kind of noise.
            generator: of the noise.

        Source: ADRec algorithm 2, denoising of the last token only.
        """
        condition_BLD = self._condition(histories.items_BL, None, None)
        users = torch.arange(len(histories.lengths_B), device=condition_BLD.device)
        last_B1D = condition_BLD[users, histories.lengths_B - 1].unsqueeze(1)
        if output == "condition":
            return last_B1D.squeeze(1)
        times_TD = self.timestep_embedding.table_TD()
        # A history's token l knows its target, item l + 1; the last token's target is what is asked for.
        known_BLD = self.item_embedding(histories.items_BL[:, 1:])
        clean_BLD = condition_BLD[:, :-1] + self.config.lambda_ * (known_BLD + times_TD[0])
        caches = self.adm.prefill(clean_BLD, histories.lengths_B - 1)

        def denoiser(x_t_B1D: torch.Tensor, t: int) -> torch.Tensor:
            return self.adm.extend(last_B1D + self.config.lambda_ * (x_t_B1D + times_TD[t]), caches)

        noise = noise_source(
            tuple(last_B1D.shape), kind=sampling.noise, generator=generator, temperature=sampling.temperature
        )
        diffusion = self.diffusion.respaced(sampling.steps or self.diffusion.steps)
        return ddpm(denoiser, diffusion, noise).squeeze(1)

    def item_vectors_VD(self) -> torch.Tensor:
        """Return the item vectors; row 0 is padding."""
        return self.item_embedding.weight

    def _timesteps(self, batch: PackedBatch, generator: torch.Generator) -> torch.Tensor:
        """Return t_RL, drawn for each position or for each sequence of a batch."""
        if self.config.noise_per == "token":
            return uniform_timesteps(tuple(batch.inputs_RL.shape), self.config.diffusion_steps, generator)
        # Padding is segment 0; its timestep is never looked at.
        return uniform_timesteps((batch.sequences + 1,), self.config.diffusion_steps, generator)[batch.segments_RL]

    def _condition(
        self, items_RL: torch.Tensor, mask_R1LL: torch.Tensor | None, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Return condition_RLD = CAM(LayerNorm(Dropout(E[items]))). Source: ADRec eq. 2."""
        embedded = dropout(self.item_embedding(items_RL), self.config.embedding_dropout, generator)
        condition_RLD: torch.Tensor = self.cam(self.input_norm(embedded), mask_R1LL, generator)
        return condition_RLD

    def _denoise(
        self,
        condition_RLD: torch.Tensor,
        x_start_RLD: torch.Tensor,
        t_RL: torch.Tensor,
        noise_RLD: torch.Tensor,
        mask_R1LL: torch.Tensor | None,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Noise every token to its own t and predict x_start from all of them. Source: ADRec eq. 3-5, 7."""
        x_t_RLD = self.diffusion.q_sample(x_start_RLD, t_RL, noise_RLD)
        # An embedding lookup of T rows; indexing by t_RL would make the backward pass nondeterministic on CUDA.
        times_RLD = nn.functional.embedding(t_RL, self.timestep_embedding.table_TD())
        hidden_RLD = condition_RLD + self.config.lambda_ * (x_t_RLD + times_RLD)
        predicted_RLD: torch.Tensor = self.adm(hidden_RLD, mask_R1LL, generator)
        return predicted_RLD
