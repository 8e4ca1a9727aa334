"""BSARec: attention mixed with a filter over frequencies.

Source: Shin, Choi, Wi, Park, "An Attentive Inductive Bias for Sequential Recommendation beyond the Self-Attention",
AAAI 2024, arXiv 2312.10325, and its code, which learns from every prefix of a history. There a row is filled up with
padding in front that takes part in the filter; here it does so only with `padding_filtered`, without which the filter
is that of rows filled up with zeros, and several prefixes share a row.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from adrec_cli.layers.attention import make_packed_causal_mask, make_packed_mask
from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import PositionEmbedding
from adrec_cli.layers.frequency import FrequencyBlock
from adrec_cli.layers.transformer import LAYER_NORM_EPS
from adrec_cli.models.base import SequentialRecommender, TokenOutputs
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.bsarec_config import BSARecConfig, BSARecFacts
from adrec_cli.models.sampling import Sampling
from adrec_cli.schema import PAD


class BSARec(BSARecFacts, SequentialRecommender):
    """Item vectors with learned positions, counted from the newest item, through blocks whose filter looks both ways.

    Attention is causal, as in its code; the filter is not, so that every prefix of a history is a sample of its own.
    """

    config: BSARecConfig

    def __init__(self, config: BSARecConfig, items: int) -> None:
        super().__init__(config, items)
        self.max_length = config.max_length
        self.item_dropout = config.item_dropout
        self.item_embedding = config.item_table(items, config.hidden_size)
        self.position_embedding = PositionEmbedding(config.max_length, config.hidden_size)
        self.input_norm = nn.LayerNorm(config.hidden_size, eps=LAYER_NORM_EPS)
        self.blocks = nn.ModuleList(
            FrequencyBlock(
                config.hidden_size,
                config.heads,
                config.dropout,
                length=config.max_length,
                components=config.filter_components,
                share=config.filter_share,
                inner_dropout=False,
            )
            for _ in range(config.blocks)
        )

    def components(self) -> Mapping[str, nn.Module]:
        """Return item_embedding, and encoder: positions, the input's LayerNorm and blocks."""
        encoder = [self.position_embedding, self.input_norm, self.blocks, *self.repeat_parts()]
        return {"item_embedding": self.item_embedding, "encoder": nn.ModuleList(encoder)}

    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights for one component: normal matrices, zero biases, unit norms."""
        std = self.config.initializer_range
        if component == "item_embedding":
            self.item_embedding.initialize(generator, std)
            return
        self.position_embedding.initialize(generator, std)
        for module in self.components()["encoder"].modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, std, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, FrequencyBlock):
                module.initialize_extras(generator)
        self.initialize_repeats()

    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """Return "next_item" for the last token of every prefix; a generator means training."""
        if not batch.prefixes:
            raise ValueError("BSARec learns the last target of a sequence alone")
        vectors_VD = self.drop_item_vectors_VD(generator)
        if self.config.padding_filtered:
            hidden_BLD = self._encode_padded(self._rows(batch), vectors_VD, generator)
            predicted_ND = hidden_BLD[batch.segments_RL[batch.learned_RL] - 1, -1]
        else:
            hidden_RLD = self._hidden(
                batch.inputs_RL,
                batch.remaining_RL(),
                make_packed_causal_mask(batch.segments_RL),
                make_packed_mask(batch.segments_RL).squeeze(1),
                vectors_VD,
                generator,
                batch.input_order_N,
            )
            predicted_ND = batch.of_tokens(hidden_RLD)
        return TokenOutputs(
            predicted_ND=predicted_ND,
            x_start_ND=None,
            targets_N=batch.targets_of_tokens(),
            weights_N=batch.sequence_weights_N(),
            vectors_VD=vectors_VD,
            padded=batch.padded,
        )

    def why_not_padded(self) -> str:
        """Say what keeps a `PaddedBatch` from being computed without asking the device; "" if nothing."""
        return "model.padding_filtered" if self.config.padding_filtered else ""

    @torch.no_grad()
    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return representation_BD, the hidden vector at the newest item of each history."""
        items_BL, lengths_B = histories.items_BL, histories.lengths_B
        columns_L = torch.arange(items_BL.shape[1], device=items_BL.device)
        users = torch.arange(len(lengths_B), device=items_BL.device)
        if self.config.padding_filtered:
            columns_L = torch.arange(self.max_length, device=items_BL.device)
            from_BL = columns_L - (self.max_length - lengths_B.unsqueeze(1))
            shifted_BL = torch.where(from_BL >= 0, items_BL.gather(1, from_BL.clamp(min=0)), PAD)
            return self._encode_padded(shifted_BL, None, None)[:, -1]
        real_BL = columns_L < lengths_B.unsqueeze(1)
        filtered_BLL = real_BL.unsqueeze(1).expand(-1, len(columns_L), -1)
        hidden_BLD = self._hidden(items_BL, histories.remaining_BL(), None, filtered_BLL, None, None)
        return hidden_BLD[users, lengths_B - 1]

    def item_vectors_VD(self) -> torch.Tensor:
        """Return the item vectors; row 0 is padding."""
        return self.item_embedding.vectors_VD()

    def _rows(self, batch: PackedBatch) -> torch.Tensor:
        """Return items_BL, a sequence a row with the newest item last."""
        real_RL = batch.real_RL
        items_BL = batch.inputs_RL.new_full((batch.sequences, self.max_length), PAD)
        columns_N = self.max_length - 1 - batch.remaining_RL()[real_RL]
        items_BL[batch.segments_RL[real_RL] - 1, columns_N] = batch.inputs_RL[real_RL]
        return items_BL

    def _encode_padded(
        self, items_BL: torch.Tensor, vectors_VD: torch.Tensor | None, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Return hidden_BLD of rows with padding in front; padding sees padding before it, and no item sees any."""
        columns_L = torch.arange(self.max_length, device=items_BL.device)
        segments_BL = (items_BL != PAD).long()
        remaining_BL = (self.max_length - 1 - columns_L).expand_as(items_BL)
        every_1LL = torch.ones(1, self.max_length, self.max_length, dtype=torch.bool, device=items_BL.device)
        mask_B1LL = make_packed_causal_mask(segments_BL)
        return self._hidden(items_BL, remaining_BL, mask_B1LL, every_1LL, vectors_VD, generator)

    def _hidden(
        self,
        items_RL: torch.Tensor,
        remaining_RL: torch.Tensor,
        mask_R1LL: torch.Tensor | None,
        filtered_RLL: torch.Tensor,
        vectors_VD: torch.Tensor | None,
        generator: torch.Generator | None,
        order_N: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the last block's output at every position. Source: BSARec, section 4."""
        embedded_RLD = self.item_embedding(items_RL, vectors_VD, order_N)
        embedded_RLD = embedded_RLD + self.position_embedding(self.max_length - 1 - remaining_RL)
        hidden_RLD = dropout(self.input_norm(embedded_RLD), self.config.embedding_dropout, generator)
        for block in self.blocks:
            hidden_RLD = block(hidden_RLD, mask_R1LL, generator, filtered_RLL)
        return hidden_RLD
