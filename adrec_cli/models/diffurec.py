"""DiffuRec: the target's representation is diffused and rebuilt from it and the history by a Transformer.

Source: Li, Sun, Li, "DiffuRec: A Diffusion Model for Sequential Recommendation", TOIS 2023, arXiv 2304.00686, and its
code: pre-norm blocks without a causal mask, no positions, lambda drawn for every entry of the sequence. Difference:
padding is not a key either (in that code it is masked as a query only).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.diffusion.samplers import noise_source, sampler_named
from adrec_cli.diffusion.timesteps import uniform_timesteps
from adrec_cli.layers.attention import CausalSelfAttention, make_packed_mask
from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import TimestepEmbedding
from adrec_cli.layers.transformer import LAYER_NORM_EPS
from adrec_cli.models.base import SequentialRecommender, TokenOutputs
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.diffurec_config import DiffuRecConfig, DiffuRecFacts
from adrec_cli.models.sampling import Sampling


class _Block(nn.Module):
    """A pre-norm Transformer block with dropout behind it, as in the DiffuRec code."""

    def __init__(self, width: int, heads: int, dropout_probability: float) -> None:
        super().__init__()
        self.dropout_probability = dropout_probability
        self.attention_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.attention = CausalSelfAttention(width, heads, dropout_probability)
        self.feed_forward_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(
        self, hidden_RLD: torch.Tensor, mask_R1LL: torch.Tensor, generator: torch.Generator | None
    ) -> torch.Tensor:
        p = self.dropout_probability
        attended = self.attention(self.attention_norm(hidden_RLD), mask_R1LL, generator)
        hidden_RLD = hidden_RLD + dropout(attended, p, generator)
        inner = F.gelu(self.expand(self.feed_forward_norm(hidden_RLD)), approximate="tanh")
        update = self.contract(dropout(inner, p, generator))
        return dropout(hidden_RLD + dropout(update, p, generator), p, generator)


class DiffuRec(DiffuRecFacts, SequentialRecommender):
    """One target per sequence, diffused and spread over the history with an uncertain weight at each position.

    As attention is not causal, every prefix of a history is a training sequence of its own.
    """

    config: DiffuRecConfig

    def __init__(self, config: DiffuRecConfig, items: int) -> None:
        super().__init__(config, items)
        self.max_length = config.max_length
        self.diffusion = GaussianDiffusion.from_schedule(config.noise_schedule, config.diffusion_steps)
        width = config.hidden_size
        self.item_embedding = config.item_table(items, width)
        self.input_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.blocks = nn.ModuleList(_Block(width, config.heads, config.dropout) for _ in range(config.blocks))
        self.output_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.timestep_embedding = TimestepEmbedding(width, config.diffusion_steps)

    def components(self) -> Mapping[str, nn.Module]:
        """Return item_embedding, and approximator: norms, blocks and the timestep embedding."""
        parts = [self.input_norm, self.blocks, self.output_norm, self.timestep_embedding, *self.repeat_parts()]
        return {"item_embedding": self.item_embedding, "approximator": nn.ModuleList(parts)}

    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights for one component: Xavier normal matrices, zero biases, unit norms."""
        if component == "item_embedding":
            self.item_embedding.initialize(generator, self.config.initializer_range)
            return
        self.initialize_repeats()
        for module in self.components()["approximator"].modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)

    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """Return "x_start" for the last token of every sequence, in the order of the batch's rows.

        Args:
            batch: packed sequences.
            output: "x_start".
            generator: draws dropout, timesteps, noise and lambda.

        Source: DiffuRec, algorithm 1.
        """
        if generator is None:
            raise ValueError("x_start of a training batch needs a generator for timesteps and noise")
        if not batch.prefixes:
            raise ValueError("DiffuRec learns the last target of a sequence alone")
        last_RL = batch.learned_RL
        targets_B = batch.targets_RL[last_RL]
        x_start_BD = self.item_embedding(targets_B)
        t_B = uniform_timesteps((batch.sequences,), self.config.diffusion_steps, generator)
        noise_BD = torch.randn(x_start_BD.shape, generator=generator, device=x_start_BD.device)
        x_t_BD = self.diffusion.q_sample(x_start_BD, t_B, noise_BD)
        x_t_BD = x_t_BD + F.embedding(t_B, self.timestep_embedding.table_TD())
        # Targets stand in the order of rows, sequences are numbered otherwise.
        order_B = torch.argsort(batch.segments_RL[last_RL])
        spread_RLD = F.embedding((batch.segments_RL - 1).clamp(min=0), x_t_BD[order_B])
        lambda_RLD = torch.randn(spread_RLD.shape, generator=generator, device=x_t_BD.device)
        hidden_RLD = self._approximate(
            self._history(batch.inputs_RL, generator),
            spread_RLD,
            self.config.delta * (1 + lambda_RLD),
            make_packed_mask(batch.segments_RL),
            generator,
        )
        return TokenOutputs(
            predicted_ND=hidden_RLD[last_RL],
            x_start_ND=x_start_BD,
            targets_N=targets_B,
            weights_N=batch.sequence_weights_N(),
        )

    @torch.no_grad()
    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return representation_BD, the target denoised from pure noise; each step runs over the whole history.

        Source: DiffuRec, algorithm 2.
        """
        history_BLD = self._history(histories.items_BL, None)
        columns_L = torch.arange(history_BLD.shape[1], device=history_BLD.device)
        mask_B11L = (columns_L < histories.lengths_B.unsqueeze(1))[:, None, None, :]
        mask_B1LL = mask_B11L.expand(-1, -1, len(columns_L), -1)
        users = torch.arange(len(histories.lengths_B), device=history_BLD.device)
        times_TD = self.timestep_embedding.table_TD()
        # Noise must not depend on how long the others' histories are.
        uncertainty = noise_source(
            (len(users), self.max_length, history_BLD.shape[2]), kind=sampling.noise, generator=generator,
            temperature=sampling.temperature, keys=histories.keys, device=history_BLD.device,
        )  # fmt: skip

        def denoiser(x_t_BD: torch.Tensor, t: int) -> torch.Tensor:
            lambda_BLD = self.config.delta * (1 + uncertainty()[:, : len(columns_L)])
            spread_B1D = (x_t_BD + times_TD[t]).unsqueeze(1)
            hidden_BLD = self._approximate(history_BLD, spread_B1D, lambda_BLD, mask_B1LL, None)
            return hidden_BLD[users, histories.lengths_B - 1]

        shape = (len(users), history_BLD.shape[2])
        diffusion = self.diffusion.respace(sampling.steps or self.diffusion.steps)
        noise = noise_source(
            shape, kind=sampling.noise, generator=generator, temperature=sampling.temperature,
            keys=histories.keys, ahead=diffusion.steps, device=history_BLD.device,
        )  # fmt: skip
        return sampler_named(sampling.sampler, eta=sampling.eta)(denoiser, diffusion, noise)

    def item_vectors_VD(self) -> torch.Tensor:
        """Return the item vectors; row 0 is padding."""
        return self.item_embedding.vectors_VD()

    def _history(self, items_RL: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        embedded_RLD = dropout(self.item_embedding(items_RL), self.config.embedding_dropout, generator)
        history_RLD: torch.Tensor = self.input_norm(embedded_RLD)
        return history_RLD

    def _approximate(
        self,
        history_RLD: torch.Tensor,
        spread_RLD: torch.Tensor,
        lambda_RLD: torch.Tensor,
        mask_R1LL: torch.Tensor,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Predict x_start at every position from the history and lambda times x_t. Source: DiffuRec, eq. 15-17."""
        hidden_RLD = history_RLD + lambda_RLD * spread_RLD
        for block in self.blocks:
            hidden_RLD = block(hidden_RLD, mask_R1LL, generator)
        predicted_RLD: torch.Tensor = self.output_norm(dropout(hidden_RLD, self.config.dropout, generator))
        return predicted_RLD
