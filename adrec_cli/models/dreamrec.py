"""DreamRec: guided diffusion generates the vector of the oracle next item from a user's history.

Source: Yang, Wu, Wang, Wang, Yuan, He, "Generate What You Prefer: Reshaping Sequential Recommendation via Guided
Diffusion", NeurIPS 2023, arXiv 2310.20453, and its code. Differences: the history is encoded by one of our causal
post-norm blocks, where theirs places its norms otherwise; every position of a history is trained at once, which gives
the same examples as its prefixes; the timestep's embedding is that of `TimestepEmbedding`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.recording import record_denoiser
from adrec_cli.diffusion.samplers import Denoiser, guide, noise_source, sampler_named
from adrec_cli.diffusion.timesteps import uniform_timesteps
from adrec_cli.layers.attention import make_packed_causal_mask
from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import PositionEmbedding, TimestepEmbedding
from adrec_cli.layers.transformer import CausalTransformer
from adrec_cli.models.base import SequentialRecommender, TokenOutputs
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.dreamrec_config import DreamRecConfig, DreamRecFacts
from adrec_cli.models.sampling import Sampling


class DreamRec(DreamRecFacts, SequentialRecommender):
    """An encoder of the history and a denoiser of the next item's vector; positions are counted from the oldest."""

    config: DreamRecConfig

    def __init__(self, config: DreamRecConfig, items: int) -> None:
        super().__init__(config, items)
        self.max_length = config.max_length
        self.diffusion = GaussianDiffusion.from_schedule(config.noise_schedule, config.diffusion_steps)
        width = config.hidden_size
        self.item_embedding = config.item_table(items, width)
        self.position_embedding = PositionEmbedding(config.max_length, width)
        self.input_norm = nn.LayerNorm(width)
        self.transformer = CausalTransformer(
            width=width, blocks=config.blocks, heads=config.heads, dropout_probability=config.dropout
        )
        self.no_condition_D = nn.Parameter(torch.zeros(width))
        self.timestep_embedding = TimestepEmbedding(width, config.diffusion_steps)
        wide = (3 * width, 2 * width, width) if config.denoiser == "mlp" else (3 * width, width)
        self.denoiser = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(wide))

    def components(self) -> Mapping[str, nn.Module]:
        """Return item_embedding, encoder (positions, norm, Transformer) and denoiser (and the empty condition)."""
        return {
            "item_embedding": self.item_embedding,
            "encoder": nn.ModuleList(
                [self.position_embedding, self.input_norm, self.transformer, *self.repeat_parts()]
            ),
            "denoiser": nn.ModuleList(
                [nn.ParameterList([self.no_condition_D]), self.timestep_embedding, self.denoiser]
            ),
        }

    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights for one component."""
        if component == "item_embedding":
            self.item_embedding.initialize(generator, self.config.initializer_range)
        elif component == "encoder":
            self.position_embedding.initialize(generator, self.config.initializer_range)
            nn.init.ones_(self.input_norm.weight)
            nn.init.zeros_(self.input_norm.bias)
            self.transformer.initialize(generator)
            self.initialize_repeats()
        else:
            nn.init.normal_(self.no_condition_D, 0.0, 1.0, generator=generator)
            self.timestep_embedding.initialize(generator)
            for layer in self.denoiser:
                assert isinstance(layer, nn.Linear)
                nn.init.xavier_normal_(layer.weight, generator=generator)
                nn.init.zeros_(layer.bias)

    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """Return "x_start" for every token of a packed batch whose target is learned.

        Args:
            batch: packed sequences.
            output: "x_start".
            generator: draws dropout, dropped conditions, timesteps and noise.

        Source: DreamRec, algorithm 1.
        """
        if generator is None:
            raise ValueError("x_start of a training batch needs a generator for timesteps and noise")
        learned_RL = batch.learned_RL
        condition_RLD = self._condition(
            batch.inputs_RL, batch.positions_RL, make_packed_causal_mask(batch.segments_RL), generator
        )
        condition_ND = condition_RLD[learned_RL]
        tokens, device = len(condition_ND), condition_ND.device
        dropped_N = torch.rand(tokens, generator=generator, device=device) < self.config.condition_dropout
        condition_ND = torch.where(dropped_N.unsqueeze(1), self.no_condition_D, condition_ND)
        targets_N = batch.targets_RL[learned_RL]
        x_start_ND = self.item_embedding(targets_N)
        if not self.config.target_gradient:
            x_start_ND = x_start_ND.detach()
        t_N = uniform_timesteps((tokens,), self.config.diffusion_steps, generator)
        noise_ND = torch.randn(x_start_ND.shape, generator=generator, device=device)
        x_t_ND = self.diffusion.q_sample(x_start_ND, t_N, noise_ND)
        times_ND = F.embedding(t_N, self.timestep_embedding.table_TD())
        return TokenOutputs(
            predicted_ND=self._denoise(x_t_ND, condition_ND, times_ND),
            x_start_ND=x_start_ND,
            targets_N=targets_N,
            weights_N=batch.sequence_weights_N(),
        )

    @torch.no_grad()
    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return representation_BD, the next item's vector generated under guidance. Source: DreamRec, algorithm 2."""
        columns_L = torch.arange(histories.items_BL.shape[1], device=histories.items_BL.device)
        hidden_BLD = self._condition(histories.items_BL, columns_L.expand_as(histories.items_BL), None, None)
        users = torch.arange(len(histories.lengths_B), device=hidden_BLD.device)
        condition_BD = hidden_BLD[users, histories.lengths_B - 1]
        times_TD = self.timestep_embedding.table_TD()
        diffusion = self.diffusion.respace(sampling.steps or self.diffusion.steps)

        def under(condition_BD: torch.Tensor) -> Denoiser:
            return record_denoiser(
                lambda x_t_BD, time_D: self._denoise(x_t_BD, condition_BD, time_D.expand_as(x_t_BD)), times_TD,
                steps=diffusion.steps,
            )  # fmt: skip

        w = self.config.guidance if sampling.guidance is None else sampling.guidance
        denoiser = guide(under(condition_BD), under(self.no_condition_D.expand_as(condition_BD)), w)
        noise = noise_source(
            tuple(condition_BD.shape), kind=sampling.noise, generator=generator, temperature=sampling.temperature,
            keys=histories.keys, ahead=diffusion.steps, device=condition_BD.device,
        )  # fmt: skip
        sampler = sampler_named(sampling.sampler, eta=sampling.eta, std_T=diffusion.posterior_variance_T.sqrt())
        return sampler(denoiser, diffusion, noise)

    def item_vectors_VD(self) -> torch.Tensor:
        """Return the item vectors; row 0 is padding."""
        return self.item_embedding.vectors_VD()

    def _condition(
        self,
        items_RL: torch.Tensor,
        positions_RL: torch.Tensor,
        mask_R1LL: torch.Tensor | None,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Return condition_RLD, the encoded history up to each position. Source: DreamRec, eq. 8."""
        embedded_RLD = self.item_embedding(items_RL) + self.position_embedding(positions_RL)
        embedded_RLD = self.input_norm(dropout(embedded_RLD, self.config.dropout, generator))
        condition_RLD: torch.Tensor = self.transformer(embedded_RLD, mask_R1LL, generator)
        return condition_RLD

    def _denoise(self, x_t_ND: torch.Tensor, condition_ND: torch.Tensor, times_ND: torch.Tensor) -> torch.Tensor:
        """Predict x_start from x_t, a condition and the timestep's embedding."""
        hidden_ND = torch.cat([x_t_ND, condition_ND, times_ND], dim=1)
        for number, layer in enumerate(self.denoiser):
            hidden_ND = layer(F.gelu(hidden_ND) if number else hidden_ND)
        return hidden_ND
