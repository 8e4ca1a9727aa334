"""How often properties are tried: a few times in the quick run, far more often with `--hypothesis-profile many`."""

from __future__ import annotations

from hypothesis import settings

QUICK, MANY = 40, 1000

# On a machine that does other things too, no time an example takes says anything.
settings.register_profile("quick", max_examples=QUICK, deadline=None)
settings.register_profile("many", max_examples=MANY, deadline=None)
settings.load_profile("quick")


def tries(count: int) -> int:
    """Return how many examples a property takes that need not be tried as often as others, or takes longer.

    Args:
        count: in the quick run, of which others take `QUICK`.
    """
    return count * settings().max_examples // QUICK
