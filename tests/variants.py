"""ADRec's options that change what is computed, for the tests that must hold for all of them."""

from __future__ import annotations

import pytest

VARIANTS = {
    "default": {},
    "per sequence": {"noise_per": "sequence"},
    "loss-aware": {"timestep_sampling": "loss_aware"},
    "mlp": {"denoiser": "mlp"},
    "guided": {"condition_dropout": 0.3, "guidance": 1.5},
    "geodesic": {"noise": "geodesic"},
    "padding key": {"padding_key": True},
    "item dropout": {"item_dropout": 0.3},
    "beta": {"noise_schedule": "beta", "beta_b": 3.0},
    "norm first": {"norm_first": True},
    "frequency": {"block": "frequency"},
    "repeats": {"repeats": "learned"},
    "never repeats": {"repeats": "never"},
    "all at once": {
        "noise_per": "sequence", "timestep_sampling": "loss_aware", "denoiser": "mlp", "condition_dropout": 0.3,
        "guidance": 0.7, "noise": "geodesic", "noise_schedule": "cosine",
        "repeats": "learned",
    },
}  # fmt: skip
"""Options of the network, each on its own and together."""
variants = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
