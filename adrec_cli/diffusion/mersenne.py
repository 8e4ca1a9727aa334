"""The normal draws of many seeded generators at once, on any device: those that PyTorch's generator makes on a CPU.

A generator for each of ten thousand users is seeded and asked one after the other on a CPU, which takes a GPU's whole
evaluation and more. Here the same recurrences run over all users together.

Source: Matsumoto, Nishimura 1998, MT19937; seeding, the float32 uniform of 24 bits and the pairs of Box and Muller, 8
beside 8, as in ATen's `MT19937RNGEngine.h` and `DistributionTemplates.h`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from adrec_cli.diffusion.recording import record

_WORDS, _SHIFTED = 624, 397
_MASK, _UPPER, _LOWER, _TWIST = 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x9908B0DF
_SEEDING = 1812433253
_STRETCH = 89
"""How many of the 623 words behind a state's first one, each of which needs the one before, are recorded at once."""
NORMALS_TOGETHER = 16
"""`Tensor.normal_` takes as many uniforms at once; a count that is not a multiple draws some again at its end."""


def normals(seeds_B: torch.Tensor, count: int) -> Iterator[torch.Tensor]:
    """Yield (B, count), float32, without end: what a generator with each seed draws next by `Tensor.normal_`.

    Args:
        seeds_B: int64, on the device to draw on.
        count: a multiple of `NORMALS_TOGETHER`.
    """
    uniforms = _uniforms(seeds_B)
    held_WB = next(uniforms)
    while True:
        while len(held_WB) < count:
            held_WB = torch.cat([held_WB, next(uniforms)])
        pairs = held_WB[:count].T.reshape(len(seeds_B), -1, 2, NORMALS_TOGETHER // 2)
        radius = (1 - pairs[:, :, 0]).log_().mul_(-2).sqrt_()
        angle = pairs[:, :, 1] * (2 * math.pi)
        yield torch.stack([radius * angle.cos(), radius * angle.sin()], dim=2).view(len(seeds_B), count)
        held_WB = held_WB[count:]


def _uniforms(seeds_B: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield uniform_WB of each generator, a state's worth of W = 624 at a time."""
    state_WB = _seed_state(seeds_B)
    while True:
        _advance(state_WB)
        word_WB = state_WB ^ (state_WB >> 11)
        word_WB ^= (word_WB << 7) & 0x9D2C5680
        word_WB ^= (word_WB << 15) & 0xEFC60000
        word_WB ^= word_WB >> 18
        yield (word_WB & 0xFFFFFF).float().mul_(2.0**-24)


def _seed_state(seeds_B: torch.Tensor) -> torch.Tensor:
    """Return state_WB, int64 of 32 bits each, that seeds lead to."""
    state_WB = torch.empty(_WORDS, len(seeds_B), dtype=torch.int64, device=seeds_B.device)
    torch.bitwise_and(seeds_B, _MASK, out=state_WB[0])
    stretch = _SeedingStretch(state_WB[0])
    follow: Callable[[], object] = stretch.follow
    for begin in range(1, _WORDS, _STRETCH):
        follow()
        state_WB[begin : begin + _STRETCH] = stretch.words_KB
        if begin == 1 and _can_record(seeds_B.device):
            follow = record(stretch.follow, seeds_B.device).replay
    return state_WB


def _can_record(device: torch.device) -> bool:
    return device.type == "cuda"


class _SeedingStretch:
    """The next words of a state that is being seeded, always in the same memory."""

    def __init__(self, first_B: torch.Tensor) -> None:
        self._before_B, self._mixed_B = first_B.clone(), torch.empty_like(first_B)
        self._numbers_K = torch.arange(1, _STRETCH + 1, device=first_B.device)
        self.words_KB = first_B.new_empty(_STRETCH, len(first_B))

    def follow(self) -> None:
        """Fill `words_KB` with the words behind those that are there."""
        before_B = self._before_B
        for number, word_B in zip(self._numbers_K.unbind(0), self.words_KB.unbind(0), strict=True):
            torch.bitwise_right_shift(before_B, 30, out=self._mixed_B)
            self._mixed_B.bitwise_xor_(before_B)
            torch.add(number, self._mixed_B, alpha=_SEEDING, out=self._mixed_B)
            torch.bitwise_and(self._mixed_B, _MASK, out=word_B)
            before_B = word_B
        self._before_B.copy_(before_B)
        self._numbers_K.add_(_STRETCH)


def _advance(state_WB: torch.Tensor) -> None:
    """Replace a state by the next one. A word needs one 397 ahead, so that 227 at a time do not need each other."""
    stride = _WORDS - _SHIFTED
    old_WB = torch.cat([state_WB, state_WB[:1]])
    for begin in range(0, _WORDS, stride):
        end = min(begin + stride, _WORDS)
        following = old_WB[begin + 1 : end + 1]
        if end == _WORDS:
            # The last word's follower is the first one, which is new already.
            following = torch.cat([following[:-1], state_WB[:1]])
        mixed = (old_WB[begin:end] & _UPPER) | (following & _LOWER)
        far = old_WB[_SHIFTED : _SHIFTED + stride] if begin == 0 else state_WB[begin - stride : end - stride]
        state_WB[begin:end] = far ^ (mixed >> 1) ^ ((following & 1) * _TWIST)
