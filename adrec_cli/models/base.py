"""What every model is handed and what it gives back; training and ranking know models by this alone.

Shapes are in the names of tensors: B batch (users or sequences), R packed rows, L positions, N real tokens of a
batch, D width, V items with padding (column 0), K top-k, T diffusion steps, H heads, S slots of a cache, d = D / H.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn

from adrec_cli.diffusion.samplers import Noise
from adrec_cli.errors import InputError, UsageError
from adrec_cli.layers.comparison import BY_PRODUCTS, Comparison
from adrec_cli.layers.content import ItemContent
from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import ItemEmbedding
from adrec_cli.layers.gaps import GapBias
from adrec_cli.layers.repeats import HistoryBias, RepeatBias
from adrec_cli.layers.transformer import TransformerBlock
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.facts import ModelFacts
from adrec_cli.models.network_config import NetworkConfig
from adrec_cli.models.sampling import Sampling
from adrec_cli.runtime import require_compiler
from adrec_cli.schema import PAD
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class TokenOutputs:
    """What a model says of each token of a training batch whose target is learned.

    Attributes:
        predicted_ND: compared with items, as the model's `comparison` has it.
        x_start_ND: the embedding of the target, where the output has one to be regressed to; else None.
        targets_N: int64 item indices.
        weights_N: of the denoising loss, as `PackedBatch.sequence_weights_N`, where timesteps are drawn unevenly times
            what makes up for it.
        vectors_VD: the item vectors to compare with in this step, row 0 is padding; None for the model's own.
        timesteps_N: int64, of tokens whose squared errors the model wants to `observe`; None if it does not.
        padded: there are tokens that are padding, whose target is 0 and which have no loss.
    """

    predicted_ND: torch.Tensor
    x_start_ND: torch.Tensor | None
    targets_N: torch.Tensor
    weights_N: torch.Tensor
    vectors_VD: torch.Tensor | None = None
    timesteps_N: torch.Tensor | None = None
    padded: bool = False


@dataclass(frozen=True, kw_only=True)
class DrawnNoise:
    """What a sampler needs of chance for some histories.

    Attributes:
        draw: returns the next draw (B, 1, D).
        count: how many draws it asks for.
    """

    draw: Noise
    count: int


class SequentialRecommender(ModelFacts, nn.Module, ABC):
    """A model that turns histories into vectors, whose comparison with item vectors is the score.

    Attributes:
        max_length: L, the newest items of a history that are used.
        item_dropout: of entries of the item vectors, drawn once a batch, so that an item lacks the same entries as an
            input, as a target and as a negative.
        repeats: what is added to the scores of items of the history; None for nothing.
        gaps: what attention knows of when events were; None for nothing.
        comparison: how predictions and item vectors become scores.
    """

    max_length: int
    item_dropout: float = 0.0
    repeats: RepeatBias | None
    gaps: GapBias | None
    comparison: Comparison

    def __init__(self, config: Any, items: int) -> None:
        """Take what all models share; weights are not drawn yet.

        Args:
            config: a `config_type`; its `repeats`, where it has them, say what is added to scores of the history, its
                `times` what attention knows of when events were, its `scores` how predictions and items are compared.
            items: V without padding.
        """
        super().__init__()
        self.config = config
        self.comparison = config.comparison() if isinstance(config, NetworkConfig) else BY_PRODUCTS
        self.repeats = RepeatBias.from_name(
            getattr(config, "repeats", "none"), differ=self.comparison.greatest_difference
        )
        timed = getattr(config, "times", "none") != "none"
        self.gaps = GapBias(heads=config.heads, length=config.max_length) if timed else None

    @classmethod
    def outline(cls, config: Any, items: int) -> SequentialRecommender:
        """Return the model with the names, shapes and types of its weights, but no memory for them."""
        with torch.device("meta"):
            return cls(config, items)

    def train(self, mode: bool = True) -> Self:
        """Set the mode, and forget what was kept of item vectors."""
        self.comparison.forget()
        return super().train(mode)

    def why_not_padded(self) -> str:
        """Say what keeps `token_outputs` from computing a `PaddedBatch` without asking the device; "" if nothing."""
        return f"model {self.name}"

    @abstractmethod
    def components(self) -> Mapping[str, nn.Module]:
        """Return the parts a stage can train or freeze, by name; together they hold every parameter."""

    @abstractmethod
    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights for one component."""

    @abstractmethod
    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """Return one of the model's `outputs` for every real token; a generator means training."""

    def observe(self, timesteps_N: torch.Tensor, errors_N: torch.Tensor) -> None:
        """Remember the squared errors of a step's tokens at their timesteps, by which further ones are drawn.

        Only of models whose outputs have `timesteps_N`.
        """
        raise NotImplementedError(f"{self.name} draws no timesteps by their losses")

    @abstractmethod
    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return representation_BD of each history."""

    def draw_noise(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> DrawnNoise:
        """Return the noise that `represent` draws, on the device of the histories; models draw none unless they say."""
        return DrawnNoise(draw=lambda: torch.empty(0), count=0)

    def represent_from(self, histories: HistoryBatch, *, output: str, sampling: Sampling, noise: Noise) -> torch.Tensor:
        """Return representation_BD of each history from noise that was drawn, without asking the device.

        Only of models that are `recordable`.
        """
        return self.represent(histories, output=output, sampling=sampling, generator=torch.Generator())

    @abstractmethod
    def item_vectors_VD(self) -> torch.Tensor:
        """Return the item vectors before they are compared; row 0 is padding."""

    def export_constants(self) -> Mapping[str, torch.Tensor]:
        """Return what a graph of `export_hidden_BLD` holds beside the weights, computed once."""
        return {}

    def export_hidden_BLD(
        self, items_BL: torch.Tensor, lengths_B: torch.Tensor, constants: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return vectors of which the one at a history's newest item represents it, as `FAST_SAMPLING` has it.

        Only of models with `exported_outputs`: it is traced, so that nothing may depend on what is in the tensors.

        Args:
            items_BL: int64, oldest first, 0 from lengths_B on, rows of max_length.
            lengths_B: int64, at least 1.
            constants: as `export_constants`.
        """
        raise NotImplementedError(f"{self.name} has no exported_outputs")

    def repeat_parts(self) -> list[nn.Module]:
        """Return what belongs to the component that repeats are learned with."""
        return [] if self.repeats is None else [self.repeats]

    @property
    def learns_repeats(self) -> bool:
        """Whether the bias of repeats has weights, which the ranking loss alone moves."""
        return self.repeats is not None and any(True for _ in self.repeats.parameters())

    def initialize_repeats(self) -> None:
        """Forget what was learned of repeats."""
        if self.repeats is not None:
            self.repeats.initialize()

    @property
    def reads_times(self) -> bool:
        """Whether a batch must say when its events were."""
        return self.gaps is not None

    def gap_parts(self) -> list[nn.Module]:
        """Return what belongs to the component whose attention reads times."""
        return [] if self.gaps is None else [self.gaps]

    def initialize_gaps(self) -> None:
        """Forget what was learned of times."""
        if self.gaps is not None:
            self.gaps.initialize()

    def gap_bias(self, seconds_RL: torch.Tensor | None) -> torch.Tensor | None:
        """Return bias_RHLL of attention by when events were; None for nothing.

        Raises:
            InputError: nobody says when they were.
        """
        if self.gaps is None:
            return None
        if seconds_RL is None:
            raise InputError(
                f"this {self.name} reads when events were (model.times is 'gaps'), which is not known here",
                hint=f"train one without: {option('set', 'model.times=none')}",
            )
        bias_RHLL: torch.Tensor = self.gaps(seconds_RL)
        return bias_RHLL

    def token_bias(self, batch: PackedBatch) -> HistoryBias | None:
        """Return what is added to the scores of each token of `token_outputs`; None for nothing."""
        if self.repeats is None:
            return None
        chosen_RL = None if batch.padded else batch.learned_RL
        return self.repeats.of_tokens(batch.inputs_RL, batch.segments_RL, chosen_RL)

    def history_bias(self, histories: HistoryBatch) -> HistoryBias | None:
        """Return what is added to the scores of each history; None for nothing."""
        if self.repeats is None:
            return None
        return self.repeats.of_histories(histories.items_BL, histories.lengths_B)

    def drop_item_vectors_VD(self, generator: torch.Generator | None) -> torch.Tensor | None:
        """Return what `item_dropout` leaves of the item vectors for one batch; None where it leaves everything.

        Source: dropout of the whole table, for inputs, targets and negatives alike, as RecTools has it, the code that
        eSASRec was measured with.
        """
        if not self.item_dropout or generator is None:
            return None
        return dropout(self.item_vectors_VD(), self.item_dropout, generator)

    def give_sparse_item_gradients(self, sparse: bool) -> None:
        """Say whether gradients of item vectors hold only the rows that were looked up.

        Raises:
            UsageError: they should, and entries of all rows are dropped.
        """
        if sparse and self.item_dropout:
            raise UsageError(
                "model.item_dropout touches every item at every step, which an embedding_optimizer that steps rows "
                "cannot follow",
                hint=f"{option('set', 'model.item_dropout=0')}, or embedding_optimizer adam",
            )
        for table in self.item_tables():
            table.sparse = sparse

    def item_tables(self) -> list[ItemEmbedding]:
        """Return the tables of item vectors that are looked up."""
        return [module for module in self.modules() if isinstance(module, ItemEmbedding)]

    def count_items(self) -> int:
        """Return V, without padding."""
        tables = self.item_tables()
        return (tables[0].shape[0] if tables else len(self.item_vectors_VD())) - 1

    @property
    def computes_item_vectors(self) -> bool:
        """Whether item vectors are computed from content at every step, rather than weights."""
        return any(table.content is not None for table in self.item_tables())

    def compute_item_vectors(self, items: torch.Tensor) -> torch.Tensor:
        """Return the vectors (..., D) of some items (...), for models that compute them: the others are not."""
        vectors: torch.Tensor = next(table for table in self.item_tables() if table.content is not None)(items)
        return vectors

    def give_content(self, content_VC: torch.Tensor, learnt_V: torch.Tensor) -> None:
        """Take the content of all items, as `ItemEmbedding.give_content`; a model without item vectors needs none."""
        for table in self.item_tables():
            table.give_content(content_VC, learnt_V)

    def content_weights(self) -> list[str]:
        """Return the names of the weights that `give_content` fills, of which there is a row per item."""
        # A module that stands in two places has both names among the weights.
        parts = self.named_modules(remove_duplicate=False)
        return [
            f"{name}.{weight}"
            for name, part in parts
            if isinstance(part, ItemContent)
            for weight in ("content_VC", "learnt_V")
        ]

    def competing_items(self) -> torch.Tensor | None:
        """Return padding and the items that targets compete with in training, ascending; None for all.

        Items that come with content alone, which are never a target, would only be pushed away from every history.
        """
        learnt = [table.content.learnt_V for table in self.item_tables() if table.content is not None]
        if not learnt or bool(learnt[0][1:].all()):
            return None
        competes_V = learnt[0].clone()
        competes_V[PAD] = True
        return competes_V.nonzero().squeeze(1)

    def compile_blocks(self) -> None:
        """Have torch.compile make the Transformer blocks faster, in training.

        Raises:
            UsageError: there are none, or nothing can be compiled here.
        """
        blocks = [module for module in self.modules() if isinstance(module, TransformerBlock)]
        if not blocks:
            raise UsageError(f"{self.name} has no Transformer block to compile", hint=f"leave out {option('compile')}")
        require_compiler()
        for block in blocks:
            block.compile_transform()
