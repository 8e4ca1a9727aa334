"""What an option of diffusion may be, checked without PyTorch: the names of what the other modules define."""

from __future__ import annotations

from adrec_cli.errors import UsageError

KINDS = ("gaussian", "geodesic")
PER = ("token", "sequence")
TIMESTEP_SAMPLING = ("uniform", "loss_aware")
SCHEDULES = ("linear", "linear_scaled", "trunc_lin", "trunc_cos", "pw_lin", "cosine", "sqrt", "exponential", "beta")
ALWAYS_VALID = ("linear", "trunc_lin", "trunc_cos", "cosine", "exponential")
"""Schedules whose betas lie between 0 and 1 whatever the number of steps."""


def require_schedule(name: str, steps: int, *, beta_a: float = 0.3, beta_b: float = 10.0) -> None:
    """Raise unless a schedule is one at this number of steps; arguments as `betas_for`.

    Raises:
        UsageError: as `betas_for`.
    """
    if name in ALWAYS_VALID and steps >= 1:
        return
    if name not in SCHEDULES:
        raise UsageError(f"unknown noise schedule {name!r}", hint=f"one of: {', '.join(SCHEDULES)}")
    from adrec_cli.diffusion.schedules import betas_for

    betas_for(name, steps, beta_a=beta_a, beta_b=beta_b)
