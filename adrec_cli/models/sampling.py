"""How a diffusion model samples: what a user can choose, known to all that ranks or trains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from adrec_cli.choices import choice, require_allowed
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

RANKING: Final = "Ranking"
"""The panel of the help that lists what ranking can be given."""


def parse_step_counts(text: str) -> list[int]:
    """Return the numbers of reverse steps in a text such as 1,2,4.

    Raises:
        UsageError: one is not a number.
    """
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"{option('steps', text)} is not a number", hint="for example 4, or for evaluate 1,2,4,8")
    return [int(part) for part in parts]


def _read_steps(text: str) -> int:
    count, *more = parse_step_counts(text)
    if more:
        raise UsageError(f"expected one number of steps, got {text}", hint="evaluate compares several")
    return count


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a diffusion model samples at inference; models without diffusion ignore it.

    Attributes:
        steps: reverse steps; None means as many as the model was trained with.
        noise: "seeded" (drawn for each history, whoever else is asked for), "common" (one draw for all, which is
            quicker) or "zero".
        seed: of the noise.
        temperature: standard deviation of the noise, at the start and at every step; 0 is no noise.
        sampler: "ddpm" or "ddim".
        eta: of ddim, in [0, 1]: the share of the posterior's noise that each step adds.
        guidance: scale w of classifier-free guidance; None means the model's own, 0 none.
    """

    steps: int | None = choice(
        None,
        str,
        "Number of reverse steps. [default: as many as trained]",
        read=_read_steps,
        metavar="N",
        panel=RANKING,
        usual=True,
    )
    noise: str = choice(
        "seeded",
        str,
        "Noise of the reverse steps: drawn for each history, once for all, or zero.",
        panel=RANKING,
        known=("seeded", "common", "zero"),
        closed=True,
    )
    seed: int = choice(0, int, "Seed of the sampling noise.", metavar="N")
    temperature: float = choice(1.0, float, "Standard deviation of the noise; 0 for none.", metavar="X", panel=RANKING)
    sampler: str = choice(
        "ddpm", str, "Sampler of the reverse steps.", panel=RANKING, known=("ddpm", "ddim"), closed=True
    )
    eta: float = choice(
        0.0, float, "Share of noise each ddim step adds, from 0 to 1.", metavar="X", panel=RANKING, least=0, most=1
    )
    guidance: float | None = choice(
        None,
        float,
        "Scale of guidance by the history. [default: as the model was configured]",
        metavar="W",
        panel=RANKING,
    )

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"steps must be at least 1, got {self.steps}")
        require_allowed(self)
        if self.eta and self.sampler != "ddim":
            raise UsageError("eta belongs to the sampler ddim", hint=option("sampler", "ddim"))
        if not 0 <= self.temperature < math.inf:
            raise UsageError(f"temperature must be a finite number, at least 0, got {self.temperature}")
        if self.guidance is not None and not 0 <= self.guidance < math.inf:
            raise UsageError(f"guidance must be a finite number, at least 0, got {self.guidance}")


FAST_SAMPLING = Sampling(steps=1, noise="zero")
"""One deterministic step; what validation during training uses."""
