"""Whether a model from outside learns what it is asked for, tried on a few sequences before it is trained for hours.

Sequences share rows, and every position predicts the item after it. A model that sees a later item, or a neighbour in
its row, learns what it will not have when it is asked, and only its figures, poor as they are, would tell.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from adrec_cli.errors import AdrecError, UsageError
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.item_table import ItemTableConfig
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.runtime import make_generator
from adrec_cli.wording import option

_LONGEST = 6
"""Of the sequences that are tried."""
_SHARE = 1e-4
"""Of the largest entry, by which values differ that are not the same computed otherwise."""


def require_sound(kind: type[SequentialRecommender], config: Any, items: int, output: str, *, prefixes: bool) -> None:
    """Raise unless a model of a kind learns and represents a few sequences as adrec trains and ranks.

    Args:
        kind: the model's class.
        config, items: its options, and those of the catalogue, as it will be trained.
        output: of its `outputs`, that is trained.
        prefixes: only the last target of a sequence is learned, so that positions may see later ones.

    Raises:
        UsageError: saying what it does, and where to look.
    """
    try:
        model = _build_twice(kind, config, items)
        trial = _Trial(model=model, items=items, output=output, prefixes=prefixes)
        trial.require_shapes()
        trial.require_chance_is_passed_in()
        trial.require_nothing_leaks()
        trial.require_histories_stand_alone()
    except AdrecError:
        raise
    except Exception as error:
        raise UsageError(
            f"model {kind.name!r} fails on a few short sequences: {type(error).__name__}: {error}",
            hint=f"its shapes are in adrec_cli/models/base.py; {option('debug')} shows where it fails",
        ) from error


def _build_twice(kind: type[SequentialRecommender], config: Any, items: int) -> SequentialRecommender:
    """Return a model, of whose weights nothing is left to chance that no seed decides on; one is held at a time."""
    if isinstance(config, ItemTableConfig):
        config = dataclasses.replace(config, content="none", content_width=0)

    def build(seed: int) -> SequentialRecommender:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = kind(config, items)
        for component in model.components():
            model.initialize(component, make_generator(0, component))
        return model

    first = _hash_weights(build(1))
    model = build(2)
    second = _hash_weights(model)
    if differing := [name for name in first if first[name] != second[name]]:
        raise UsageError(
            f"model {kind.name!r} does not draw {', '.join(differing)} from the generator that initialize is given, so "
            "that no seed gives it again",
            hint="draw the weights of every component in initialize: nn.init functions take generator=",
        )
    return model


def _hash_weights(model: SequentialRecommender) -> dict[str, str]:
    weights = {name: weight.detach().reshape(-1).view(torch.uint8) for name, weight in model.state_dict().items()}
    return {name: hashlib.sha256(weight.numpy()).hexdigest() for name, weight in weights.items()}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Trial:
    """A model, and how it is going to be trained.

    Attributes:
        model: with fresh weights.
        items, output, prefixes: as `require_sound`.
    """

    model: SequentialRecommender
    items: int
    output: str
    prefixes: bool

    def require_shapes(self) -> None:
        """Raise unless there is a finite vector for each target that is learned, and for each history."""
        mine, others = self._sequences()
        batch = self._pack([mine, others], [mine])
        vectors_VD = self.model.item_vectors_VD()
        predicted_ND = self._predict(batch)
        represented_BD = self._represent([mine, others])
        width = vectors_VD.shape[-1]
        for what, found, expected in (
            ("item_vectors_VD", vectors_VD, (self.items + 1, width)),
            ("token_outputs", predicted_ND, (batch.targets, width)),
            ("represent", represented_BD, (2 if others else 1, width)),
        ):
            if tuple(found.shape) != expected:
                self._refuse(
                    f"gives {what} of shape {tuple(found.shape)}, not {expected}",
                    "a vector for each target that is learned, and for each history, as wide as an item's",
                )
            if not bool(torch.isfinite(found).all()):
                self._refuse(f"gives {what} that are not finite", "look for a division by zero")

    def require_chance_is_passed_in(self) -> None:
        """Raise where the same seed gives something else the next time."""
        mine, others = self._sequences()
        batch = self._pack([mine, others])
        hint = "draw from the generator that is given: adrec_cli.layers.dropout.dropout(x, p, generator) for nn.Dropout"
        if not torch.equal(self._predict(batch, training=True), self._predict(batch, training=True)):
            self._refuse("trains otherwise every time, whatever the seed", hint)
        if not torch.equal(self._represent([mine, others]), self._represent([mine, others])):
            self._refuse("represents a history otherwise every time, whatever the seed", hint)

    def require_nothing_leaks(self) -> None:
        """Raise where a prediction changes with its answer, a later item, or another sequence in its row."""
        mine, others = self._sequences()
        batch = self._pack([mine, others])
        before = self._predict(batch)
        drawn = self.output in self.model.sampled_outputs
        answers_RL = torch.where(batch.real_RL, batch.targets_RL % self.items + 1, batch.targets_RL)
        if not drawn and _differ(before, self._predict(dataclasses.replace(batch, targets_RL=answers_RL))):
            self._refuse(
                "sees the answer: its predictions change with the targets",
                "name the output among sampled_outputs if it denoises them",
            )
        # The last item is the target of the position before it, of which a diffusion has a noisy copy.
        kept = 0 if self.prefixes else len(mine) - (2 if drawn else 1)
        later = self._predict(self._pack([[*mine[:-1], *self._others(mine[-1:])], others]))
        if _differ(before[:kept], later[:kept]):
            self._refuse(
                "sees what comes later: a prediction changes with a later item of its sequence",
                "let a position see only what mask_R1LL allows; or, if it is meant to see all, needs_prefixes = True",
            )
        own = 1 if self.prefixes else len(mine)
        behind = self._predict(self._pack([mine, self._others(others)]))
        ahead = self._predict(self._pack([self._others(mine), others]))
        if _differ(before[:own], behind[:own]) or _differ(before[own:], ahead[own:]):
            self._refuse(
                "sees other people's items: a prediction changes with another sequence in its row",
                "let a position see only what mask_R1LL allows, or what has its own number in segments_RL",
            )

    def require_histories_stand_alone(self) -> None:
        """Raise where a history is represented otherwise beside a longer one, behind which it has padding."""
        mine, others = self._sequences()
        together = self._represent([mine, others])
        for row, history in enumerate(filter(None, (mine, others))):
            if _differ(together[row], self._represent([history])[0]):
                self._refuse(
                    "represents a history otherwise beside others, or with padding behind it",
                    "let no padding take part: items_BL is real up to lengths_B",
                )

    def _sequences(self) -> tuple[list[int], list[int]]:
        """Return two sequences that fit into a row; the second one, the shorter, is empty where there is no room."""
        length = self.model.max_length
        first = min(_LONGEST, length - length // 4)
        second = min(_LONGEST // 2, length - first)
        items = [number % self.items + 1 for number in range(first + second)]
        return items[:first], items[first:]

    def _others(self, items: Sequence[int]) -> list[int]:
        """Return as many items that differ from these."""
        return [item % self.items + 1 for item in items]

    def _pack(self, *rows: Sequence[list[int]]) -> PackedBatch:
        """Return sequences as a batch of what is trained; each target is the next item, and of the last one, some."""
        length = max(sum(map(len, row)) for row in rows)
        inputs_RL = torch.zeros(len(rows), length, dtype=torch.int64)
        targets_RL, segments_RL, positions_RL = (torch.zeros_like(inputs_RL) for _ in range(3))
        number = 0
        for row, sequences in enumerate(rows):
            at = 0
            for sequence in filter(None, sequences):
                number += 1
                here = slice(at, at := at + len(sequence))
                inputs_RL[row, here] = torch.tensor(sequence)
                targets_RL[row, here] = torch.tensor([*sequence[1:], 1])
                segments_RL[row, here] = number
                positions_RL[row, here] = torch.arange(len(sequence))
        return PackedBatch(
            inputs_RL=inputs_RL, targets_RL=targets_RL, segments_RL=segments_RL, positions_RL=positions_RL,
            sequences=number, prefixes=self.prefixes,
            seconds_RL=3600 * positions_RL if self.model.reads_times else None,
        )  # fmt: skip

    @torch.no_grad()
    def _predict(self, batch: PackedBatch, *, training: bool = False) -> torch.Tensor:
        self.model.train(training)
        outputs = self.model.token_outputs(batch, output=self.output, generator=make_generator(0, "try"))
        return outputs.predicted_ND

    @torch.no_grad()
    def _represent(self, histories: Sequence[list[int]]) -> torch.Tensor:
        self.model.eval()
        lengths_B = torch.tensor([len(history) for history in histories if history])
        items_BL = torch.zeros(len(lengths_B), int(lengths_B.max()), dtype=torch.int64)
        for row, history in enumerate(filter(None, histories)):
            items_BL[row, : len(history)] = torch.tensor(history)
        batch = HistoryBatch(
            items_BL=items_BL, lengths_B=lengths_B, whole=bool((items_BL > 0).all()),
            seconds_BL=3600 * torch.arange(items_BL.shape[1]).expand_as(items_BL) if self.model.reads_times else None,
        )  # fmt: skip
        return self.model.represent(
            batch, output=self.output, sampling=FAST_SAMPLING, generator=make_generator(0, "try")
        )

    def _refuse(self, what: str, hint: str) -> None:
        raise UsageError(f"model {self.model.name!r} {what}", hint=hint)


def _differ(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether values differ by more than the order they are added up in."""
    return bool(((one - other).abs() > _SHARE * one.abs().max()).any()) if one.numel() else False
