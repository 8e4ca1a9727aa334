"""GRU4Rec: a recurrent network over the items of a session, here of a user's history.

Source: Hidasi, Karatzoglou, Baltrunas, Tikk, "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016,
arXiv 1511.06939; Hidasi, Karatzoglou, "Recurrent Neural Networks with Top-k Gains", CIKM 2018, arXiv 1706.03847: the
losses bpr_max and top1_max, item vectors shared by input and output. Whole sequences are batched rather than
session-parallel steps, so gradients are never cut at a step.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from adrec_cli.layers.dropout import dropout
from adrec_cli.models.base import SequentialRecommender, TokenOutputs
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.gru4rec_config import GRU4RecConfig, GRU4RecFacts
from adrec_cli.models.sampling import Sampling


class GRU4Rec(GRU4RecFacts, SequentialRecommender):
    """Item vectors through GRU layers and a linear layer back to the width of item vectors."""

    config: GRU4RecConfig

    def __init__(self, config: GRU4RecConfig, items: int) -> None:
        super().__init__(config, items)
        self.max_length = config.max_length
        self.item_embedding = config.item_table(items, config.hidden_size)
        # One module a layer: nn.GRU would draw the dropout between its layers from the global generator.
        widths = [config.hidden_size] + [config.gru_size] * (config.layers - 1)
        self.grus = nn.ModuleList(nn.GRU(width, config.gru_size, batch_first=True) for width in widths)
        self.out = nn.Linear(config.gru_size, config.hidden_size)

    def components(self) -> Mapping[str, nn.Module]:
        """Return item_embedding, and encoder: GRU layers and the output layer."""
        encoder = nn.ModuleList([self.grus, self.out, *self.repeat_parts()])
        return {"item_embedding": self.item_embedding, "encoder": encoder}

    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights: Xavier normal input and orthogonal recurrent matrices a gate, zero biases."""
        if component == "item_embedding":
            self.item_embedding.initialize(generator, self.config.initializer_range)
            return
        self.initialize_repeats()
        for name, weight in nn.ModuleList([self.grus, self.out]).named_parameters():
            if "bias" in name:
                nn.init.zeros_(weight)
                continue
            gates = weight.chunk(3) if "_l0" in name else (weight,)
            for gate in gates:
                draw = nn.init.orthogonal_ if "_hh_" in name else nn.init.xavier_normal_
                draw(gate, generator=generator)

    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """Return "next_item" for every token of a packed batch whose target is learned; a generator means training.

        A recurrent network cannot share a row among sequences, so each gets a row of its own for the time.
        """
        real_RL = batch.real_RL
        rows_N, columns_N = batch.segments_RL[real_RL] - 1, batch.positions_RL[real_RL]
        lengths_B = torch.bincount(rows_N, minlength=batch.sequences)
        items_BL = batch.inputs_RL.new_zeros(batch.sequences, int(lengths_B.max()))
        items_BL[rows_N, columns_N] = batch.inputs_RL[real_RL]
        hidden_BLD = self._hidden(items_BL, lengths_B, generator)
        learned_RL = batch.learned_RL
        return TokenOutputs(
            predicted_ND=hidden_BLD[batch.segments_RL[learned_RL] - 1, batch.positions_RL[learned_RL]],
            x_start_ND=None,
            targets_N=batch.targets_RL[learned_RL],
            weights_N=batch.sequence_weights_N(),
        )

    @torch.no_grad()
    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return representation_BD, the output after the newest item of each history."""
        hidden_BLD = self._hidden(histories.items_BL, histories.lengths_B, None)
        users = torch.arange(len(histories.lengths_B), device=hidden_BLD.device)
        return hidden_BLD[users, histories.lengths_B - 1]

    def item_vectors_VD(self) -> torch.Tensor:
        """Return the item vectors; row 0 is padding."""
        return self.item_embedding.vectors_VD()

    def _hidden(
        self, items_BL: torch.Tensor, lengths_B: torch.Tensor, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Return the output at every position of left-aligned sequences. Source: Hidasi et al. 2016, section 3.1."""
        hidden_BLD = dropout(self.item_embedding(items_BL), self.config.embedding_dropout, generator)
        lengths = lengths_B.cpu()
        for gru in self.grus:
            packed = pack_padded_sequence(hidden_BLD, lengths, batch_first=True, enforce_sorted=False)
            hidden_BLD, _ = pad_packed_sequence(gru(packed)[0], batch_first=True)
            hidden_BLD = dropout(hidden_BLD, self.config.dropout, generator)
        projected_BLD: torch.Tensor = self.out(hidden_BLD)
        return projected_BLD
