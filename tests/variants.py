"""Every model and its options that change what is computed, for the tests that must hold for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from adrec_cli.config import build
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.registry import find_model, list_trainable
from adrec_cli.runtime import make_generator
from tests.tiers import sampled

VARIANTS = {
    "default": {},
    "per sequence": {"noise_per": "sequence"},
    "loss-aware": {"timestep_sampling": "loss_aware"},
    "mlp": {"denoiser": "mlp"},
    "guided": {"condition_dropout": 0.3, "guidance": 1.5},
    "geodesic": {"noise": "geodesic"},
    "padding key": {"padding_key": True},
    "positions": {"positions": "learned"},
    "item dropout": {"item_dropout": 0.3},
    "beta": {"noise_schedule": "beta", "beta_b": 3.0},
    "norm first": {"norm_first": True},
    "frequency": {"block": "frequency"},
    "repeats": {"repeats": "learned"},
    "never repeats": {"repeats": "never"},
    "cosines": {"scores": "cosine", "score_temperature": 0.2},
    "all at once": {
        "noise_per": "sequence", "timestep_sampling": "loss_aware", "denoiser": "mlp", "condition_dropout": 0.3,
        "guidance": 0.7, "noise": "geodesic", "noise_schedule": "cosine",
        "repeats": "learned", "positions": "learned",
    },
}  # fmt: skip
"""Options of ADRec's network, each on its own and together."""
variants = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)

SIZES = {
    "hidden_size": 16, "max_length": 12, "heads": 2, "gru_size": 24, "diffusion_steps": 5, "delta": 0.5, "layers": 2,
    "lambda_": 0.5,
}  # fmt: skip
TIMED = [name for name in list_trainable() if "times" in find_model(name).config_type.__dataclass_fields__]
"""Models that can read when events were."""
EVERY_MODEL: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"adrec {name}": ("adrec", options) for name, options in VARIANTS.items()},
    **{name: (name, {}) for name in list_trainable() if name != "adrec"},
    **{f"{name} repeats": (name, {"repeats": "learned"}) for name in list_trainable() if name != "adrec"},
    **{f"{name} cosines": (name, {"scores": "cosine"}) for name in list_trainable() if name != "adrec"},
    **{f"{name} times": (name, {"times": "gaps"}) for name in TIMED},
    "adrec times and padding key": ("adrec", {"times": "gaps", "padding_key": True}),
    "adrec times and filter": ("adrec", {"times": "gaps", "block": "frequency"}),
    "bsarec padding": ("bsarec", {"padding_filtered": True}),
    "dreamrec mlp": ("dreamrec", {"denoiser": "mlp", "target_gradient": True}),
    "sasrec item dropout": ("sasrec", {"item_dropout": 0.3}),
    "adrec content": ("adrec", {"content": "adapter", "content_width": 7}),
    "adrec content and padding key": ("adrec", {"content": "only", "content_width": 7, "padding_key": True}),
    **{
        f"{name} content": (name, {"content": "sum", "content_width": 7})
        for name in list_trainable()
        if name != "adrec"
    },
    "sasrec content and item dropout": ("sasrec", {"content": "only", "content_width": 7, "item_dropout": 0.3}),
}
"""Every trained model and every option that changes what it computes; what holds of models holds of all of these."""
QUICK_MODELS = [
    variant for number, (variant, (name, _)) in enumerate(EVERY_MODEL.items()) if variant == name or number % 3 == 0
]
every_model = sampled("name,options", EVERY_MODEL, quick=QUICK_MODELS)


def small_model(
    name: str, options: Mapping[str, Any], *, items: int = 40, dropouts: float = 0.0
) -> SequentialRecommender:
    """A model of a few weights, all of which matter.

    Args:
        name, options: of `EVERY_MODEL`.
        items: of the catalogue.
        dropouts: every dropout that options do not name.
    """
    entry = find_model(name)
    known = entry.config_type.__dataclass_fields__
    quiet = dict.fromkeys((field for field in known if field.endswith("dropout")), dropouts)
    # A keyword of Python has an underscore behind it in the dataclass, and none in a table.
    sizes = {field.rstrip("_"): value for field, value in SIZES.items() if field in known}
    model = entry(build(entry.config_type, {**quiet, **sizes, **options}, where="[model]"), items)
    if width := options.get("content_width"):
        model.give_content(some_content(items, width), torch.ones(items + 1, dtype=torch.bool))
    for component in model.components():
        model.initialize(component, make_generator(5, component))
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.2)
        for table in model.item_tables():
            if table.weight is not None:
                table.weight[0] = 0
    return model.eval()


def some_content(items: int, width: int) -> torch.Tensor:
    """Content of items as it is given to models: padding in front, rows of length 1, and of one item nothing."""
    content_VC = torch.randn(items + 1, width, generator=torch.Generator().manual_seed(9))
    content_VC = content_VC / content_VC.norm(dim=1, keepdim=True)
    content_VC[[0, items]] = 0
    return content_VC.half()
