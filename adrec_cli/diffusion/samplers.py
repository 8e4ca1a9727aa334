"""Reverse processes: from noise to x_start with any denoiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.diffusion.mersenne import NORMALS_TOGETHER, normals
from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.errors import look_up

Denoiser = Callable[[torch.Tensor, int], torch.Tensor]
"""(x_t (..., D), the original timestep) -> the predicted x_start (..., D)."""

Noise = Callable[[], torch.Tensor]
"""Returns the next normal draw (..., D), or zeros."""

_MOST_AHEAD = 8
_FEWEST_TOGETHER = 512
"""Rows for which some thousand operators on a device take less time than a generator each."""


class Sampler(Protocol):
    """Runs a reverse process."""

    def __call__(self, denoiser: Denoiser, diffusion: GaussianDiffusion, noise: Noise) -> torch.Tensor:
        """Return the sample (..., D) that the noise is denoised to."""


def sampler_named(name: str, *, eta: float = 0.0, std_T: torch.Tensor | None = None) -> Sampler:
    """Return one of `SAMPLERS`.

    Args:
        name: a key of `SAMPLERS`.
        eta: as `ddim`.
        std_T: as `ddpm`.

    Raises:
        UsageError: an unknown name.
    """
    return look_up(SAMPLERS, name, "sampler")(eta, std_T)


def ddpm(
    denoiser: Denoiser, diffusion: GaussianDiffusion, noise: Noise, *, std_T: torch.Tensor | None = None
) -> torch.Tensor:
    """Run the ancestral sampler from pure noise through every step of `diffusion`.

    Args:
        denoiser: predicts x_start.
        diffusion: the process, respaced to the steps wanted.
        noise: called once for the start and once for each step but the last.
        std_T: of the noise each step adds; None takes the process's `sample_std_T`.

    Returns:
        The sample (..., D); with one step it is the denoiser's x_start itself.

    Source: Ho et al. 2020, algorithm 2, with x_start prediction; ADRec algorithm 2.
    """
    std = diffusion.numbers.sample_std if std_T is None else std_T.tolist()
    x_t = noise()
    for step in reversed(range(diffusion.steps)):
        x_start = denoiser(x_t, diffusion.numbers.timesteps[step])
        x_t = diffusion.posterior_mean(x_start, x_t, step)
        if step > 0:
            x_t = torch.add(x_t, noise(), alpha=std[step])
    return x_t


def ddim(denoiser: Denoiser, diffusion: GaussianDiffusion, noise: Noise, *, eta: float = 0.0) -> torch.Tensor:
    """Run the implicit sampler, whose start alone is random where eta is 0.

    Args:
        denoiser, diffusion, noise: as `ddpm`; noise is called for the start only where eta is 0.
        eta: in [0, 1], the share of the posterior's standard deviation that each step adds; 1 is the ancestral sampler
            with the posterior's variance ("fixed small").

    Source: Song, Meng, Ermon 2021, eq. 12 and 16, with x_start prediction.
    """
    alphas_cumprod = diffusion.alphas_cumprod_T.tolist()
    x_t = noise()
    for step in reversed(range(diffusion.steps)):
        x_start = denoiser(x_t, diffusion.numbers.timesteps[step])
        now, before = alphas_cumprod[step], alphas_cumprod[step - 1] if step else 1.0
        sigma = eta * math.sqrt((1 - before) / (1 - now) * (1 - now / before))
        # Of the noise in x_t, (x_t - sqrt(now) x_start) / sqrt(1 - now), so much stays.
        kept = math.sqrt(max(1 - before - sigma**2, 0.0) / (1 - now))
        x_t = torch.add((math.sqrt(before) - kept * math.sqrt(now)) * x_start, x_t, alpha=kept)
        if step > 0 and sigma > 0:
            x_t = torch.add(x_t, noise(), alpha=sigma)
    return x_t


SAMPLERS: Mapping[str, Callable[[float, torch.Tensor | None], Sampler]] = MappingProxyType(
    {
        "ddpm": lambda eta, std_T: partial(ddpm, std_T=std_T),
        "ddim": lambda eta, std_T: partial(ddim, eta=eta),
    }
)
"""(eta, std_T) -> the sampler of a name; each takes of the two what it knows."""


def guide(conditional: Denoiser, unconditional: Denoiser, scale: float) -> Denoiser:
    """Return a denoiser under classifier-free guidance: (1 + w) conditional - w unconditional.

    Args:
        conditional, unconditional: of the same x_t, with and without the condition.
        scale: w; 0 is the conditional denoiser.

    Source: Ho and Salimans 2021, eq. 6, for x_start in place of the noise.
    """

    def denoiser(x_t: torch.Tensor, t: int) -> torch.Tensor:
        return (1 + scale) * conditional(x_t, t) - scale * unconditional(x_t, t)

    return denoiser


def noise_source(
    shape: tuple[int, ...],
    *,
    kind: str,
    generator: torch.Generator,
    keys: Callable[[], Sequence[int]] | None = None,
    ahead: int = 1,
    dtype: torch.dtype = torch.float32,
    temperature: float = 1.0,
    device: torch.device | None = None,
) -> Noise:
    """Return the noise of a named kind for a sampler.

    Args:
        shape: of one draw, rows first.
        kind: a key of `NOISES`: "seeded" draws for every row, "common" once for all rows, "zero" is deterministic.
        generator: two sources made from it one after the other draw different noise.
        keys: returns one number per row; what is drawn for a row then depends on the generator and on its key alone,
            whatever the other rows.
        ahead: how many draws there will be where there are keys; they are made some at once, which is quicker.
        dtype: of the draws.
        temperature: their standard deviation, at least 0.
        device: to put draws on; None leaves them where the generator is. One on the CPU draws the same for any device.

    Raises:
        UsageError: an unknown kind.
    """
    drawn = look_up(NOISES, kind, "noise")
    draws = _Draws(
        shape=shape, generator=generator, keys=keys, ahead=ahead, dtype=dtype,
        temperature=temperature, device=device or generator.device,
    )  # fmt: skip
    return (drawn if temperature else _draw_nothing)(draws)


@dataclass(frozen=True, kw_only=True)
class _Draws:
    """What is drawn: as the arguments of `noise_source`."""

    shape: tuple[int, ...]
    generator: torch.Generator
    keys: Callable[[], Sequence[int]] | None
    ahead: int
    dtype: torch.dtype
    temperature: float
    device: torch.device

    def normal(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Draw from the common generator, expanded to what is wanted."""
        normal = torch.randn(shape, generator=self.generator, device=self.generator.device, dtype=self.dtype)
        return self.scale(normal).to(self.device).expand(self.shape)

    def scale(self, normal: torch.Tensor) -> torch.Tensor:
        return normal if self.temperature == 1 else self.temperature * normal


def _draw_for_every_row(draws: _Draws) -> Noise:
    if draws.keys is None:
        return lambda: draws.normal(draws.shape)
    rows = _rows(draws.shape, draws.keys(), draws.generator, ahead=draws.ahead, dtype=draws.dtype, device=draws.device)
    return lambda: draws.scale(next(rows))


def _draw_once_for_all_rows(draws: _Draws) -> Noise:
    return lambda: draws.normal((1, *draws.shape[1:]))


def _draw_nothing(draws: _Draws) -> Noise:
    zeros = torch.zeros(draws.shape, device=draws.device, dtype=draws.dtype)
    return lambda: zeros


NOISES: Mapping[str, Callable[[_Draws], Noise]] = MappingProxyType(
    {"seeded": _draw_for_every_row, "common": _draw_once_for_all_rows, "zero": _draw_nothing}
)
"""Kinds of noise: drawn for every row, one draw for all rows, none."""


def _rows(
    shape: tuple[int, ...],
    keys: Sequence[int],
    generator: torch.Generator,
    *,
    ahead: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Iterator[torch.Tensor]:
    """Draw each row from a generator of its own, seeded by its key and by one number of the common generator."""
    base = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
    seeds_B = _mix(np.array(keys, dtype=np.int64).view(np.uint64) ^ np.uint64(base))
    width, at_once = math.prod(shape[1:]), min(ahead, _MOST_AHEAD)
    if _draws_together(len(seeds_B), at_once * width, device) and dtype == torch.float32:
        for drawn in normals(torch.from_numpy(seeds_B).to(device), at_once * width):
            yield from drawn.view(shape[0], at_once, *shape[1:]).unbind(1)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds_B.tolist()]
    while True:
        block = torch.empty(shape[0], at_once, *shape[1:], dtype=dtype)
        for row, own in zip(block, generators, strict=True):
            row.normal_(generator=own)
        for number in range(at_once):
            yield block[:, number].to(device)


def _draws_together(rows: int, numbers: int, device: torch.device) -> bool:
    """Return whether rows that each draw this many numbers at once are faster drawn together, on the device."""
    return device.type == "cuda" and rows >= _FEWEST_TOGETHER and numbers % NORMALS_TOGETHER == 0


def _mix(numbers_B: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return 63 bits that depend on each number. Source: Steele et al. 2014, SplitMix64."""
    shifts = [np.uint64(bits) for bits in (30, 27, 31)]
    numbers_B = (numbers_B ^ (numbers_B >> shifts[0])) * np.uint64(0xBF58476D1CE4E5B9)
    numbers_B = (numbers_B ^ (numbers_B >> shifts[1])) * np.uint64(0x94D049BB133111EB)
    return ((numbers_B ^ (numbers_B >> shifts[2])) >> np.uint64(1)).astype(np.int64)
