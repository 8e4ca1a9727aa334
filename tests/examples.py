"""How often properties are tried: a few times in the quick run, more often in CI, far more often by hand."""

from __future__ import annotations

from hypothesis import settings

QUICK, USUAL, MANY = 10, 40, 1000

# On a machine that does other things too, no time an example takes says anything.
settings.register_profile("quick", max_examples=QUICK, deadline=None)
settings.register_profile("usual", max_examples=USUAL, deadline=None)
settings.register_profile("many", max_examples=MANY, deadline=None)
settings.load_profile("quick")


def tries(count: int) -> int:
    """Return how many examples a property takes that need not be tried as often as others, or takes longer.

    Args:
        count: in CI, where others take `USUAL`; the quick run takes a quarter of that, as of all.
    """
    return max(1, count * settings().max_examples // USUAL)
