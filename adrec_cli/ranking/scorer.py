"""A model and how it is asked for scores: by which output, with how much noise, how many samples, and where."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.data.batches import history_batches
from adrec_cli.data.sequences import Events
from adrec_cli.errors import ArtifactError
from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.batch import HistoryBatch
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.merging import check_sampled
from adrec_cli.ranking.recorded import Recordings
from adrec_cli.ranking.samples import SINGLE, Merging
from adrec_cli.runtime import make_generator

_BATCH_TOKENS = {"cpu": 4_096}
_OTHER_BATCH_TOKENS, _MIN_BATCH_TOKENS, _MOST_CASES = 2**18, 1_024, 2**14
"""Positions of a batch: on a CPU as many as its caches hold; at least so with any number of samples; and cases."""

Representations = tuple[npt.NDArray[np.int64], list[torch.Tensor], HistoryBias | None]
"""Numbers of some cases, representation_BD of their histories in each sample, and their bias."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scorer:
    """A model and how it is asked for scores.

    Attributes:
        model: anything that represents histories, on the device.
        output, sampling: as `SequentialRecommender.represent`.
        merging: how many samples of a diffusion model, and how they become one list.
        device: to compute on.
        recordings: of this model, whose weights stay as they are; small batches are taken from there.

    Raises:
        UsageError: as `check_sampled`.
    """

    model: SequentialRecommender
    output: str
    sampling: Sampling
    merging: Merging = SINGLE
    device: torch.device
    recordings: Recordings | None = None

    def __post_init__(self) -> None:
        check_sampled(self.model, self.output, self.sampling, self.merging)

    @property
    def vectors_VD(self) -> torch.Tensor:
        """The vectors whose inner products with representations are scores; row 0 is padding."""
        # Without gradients, so that vectors that are computed are kept from one question to the next.
        with torch.no_grad():
            return self.model.comparison.of_all(self.model.item_vectors_VD().detach())

    @torch.inference_mode()
    def represent(
        self,
        events: Events,
        starts: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
        *,
        turn: int = 0,
        turns: int = 1,
        biased: bool = True,
    ) -> Iterator[Representations]:
        """Yield the representations of histories, batched by length.

        Args:
            events: of all histories; their times are asked for where the model reads them.
            starts, ends: as `history_batches`.
            turn, turns: of `turns` batches in a row the one that is represented; batches are the same whatever it is.
            biased: whether anybody asks for the bias of the items of the histories.

        Raises:
            ArtifactError: the model gives values that are not finite.
            InputError: it reads when events were, and nobody says so.
        """
        if self.model.training:
            self.model.eval()
        limit = _BATCH_TOKENS.get(self.device.type, _OTHER_BATCH_TOKENS)
        batches = history_batches(
            events.items, starts, ends, max_length=self.model.max_length,
            batch_tokens=max(_MIN_BATCH_TOKENS, limit // self.merging.samples), most_cases=_MOST_CASES,
            seconds=events.seconds if self.model.reads_times else None,
        )  # fmt: skip
        own = itertools.islice(batches, turn, None, turns)
        upcoming = next(own, None)
        while upcoming is not None:
            cases, histories = upcoming
            moved = histories.to(self.device)
            samples = self._samples(histories, moved)
            # Made while a device is still at work, which the next line waits for.
            upcoming = next(own, None)
            if not all(map(_is_finite, samples)):
                raise ArtifactError(f"{self.model.name} gives values that are not finite", hint="train it again")
            yield cases, samples, self.model.history_bias(moved) if biased else None

    def _samples(self, histories: HistoryBatch, moved: HistoryBatch) -> list[torch.Tensor]:
        """Return representation_BD of each sample of a batch, as it is compared; given on the CPU and on the device."""
        # The same for every batch and device: nobody's noise depends on who else is in it, or where it is computed.
        generator = make_generator(self.sampling.seed, "sampling", self.sampling.noise)
        recorded = self.recordings or Recordings(torch.device("cpu"))
        samples = []
        for _ in range(self.merging.samples):
            found_BD = recorded.represent(
                self.model, histories, output=self.output, sampling=self.sampling, generator=generator
            )
            if found_BD is None:
                found_BD = self.model.represent(moved, output=self.output, sampling=self.sampling, generator=generator)
            samples.append(self.model.comparison(found_BD))
        return samples


def _is_finite(values: torch.Tensor) -> bool:
    """Return whether all values are finite, as they are if their sum is: that is one operator rather than five."""
    return math.isfinite(values.sum()) or bool(torch.isfinite(values).all())
