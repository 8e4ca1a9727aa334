"""What every model computes with every option: a few of the numbers, as they were recorded.

Who means to change them says so in CHANGELOG.md under [Breaking], and records them with
`python -m tests.models.test_recorded_values`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from adrec_cli.data.batches import pack_batch
from adrec_cli.models.base import HistoryBatch
from adrec_cli.models.sampling import Sampling
from tests.models.test_every_model import LENGTHS, windows
from tests.variants import EVERY_MODEL, small_model

RECORDED = Path(__file__).with_name("recorded_values.json")
SAMPLINGS = {"all steps": Sampling(), "two steps of ddim": Sampling(steps=2, sampler="ddim", eta=0.5, seed=3)}


def some_of(values: torch.Tensor) -> list[float]:
    """A few numbers of many, in which each has its part."""
    values = values.detach().double().flatten()
    turned = values * torch.linspace(1, 4, len(values), dtype=torch.double).sin()
    return [round(number, 5) for number in (values[3].item(), values[-2].item(), turned.mean().item())]


def computed(variant: str) -> dict[str, list[float]]:
    name, options = EVERY_MODEL[variant]
    excluded = {"condition_dropout": 0.0} if "padding_key" in options else {}
    model = small_model(name, {**options, **excluded}, dropouts=0.2)
    batch = pack_batch(windows(prefixes=model.needs_prefixes), np.arange(len(LENGTHS)), model.max_length)
    rows = HistoryBatch(
        items_BL=torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0], [7, 0, 0, 0, 0]]), lengths_B=torch.tensor([5, 3, 1]),
        seconds_BL=torch.tensor([[0, 9**5, 9**5 + 60, 9**6, 9**6 + 7]] * 3),
    )  # fmt: skip
    found = {}
    for output in model.outputs:
        learned = model.token_outputs(batch, output=output, generator=torch.Generator().manual_seed(0))
        found[f"{output}, predicted"] = some_of(learned.predicted_ND)
        found[f"{output}, weights"] = some_of(learned.weights_N)
        if learned.x_start_ND is not None:
            found[f"{output}, x_start"] = some_of(learned.x_start_ND)
        for kind, sampling in SAMPLINGS.items():
            if sampling.sampler == "ddim" and options.get("noise") == "geodesic":
                continue
            generator = torch.Generator().manual_seed(1)
            told = model.represent(rows, output=output, sampling=sampling, generator=generator)
            found[f"{output}, {kind}"] = some_of(told)
    return found


@pytest.mark.parametrize("variant", EVERY_MODEL)
def test_every_model_computes_what_it_did(variant):
    recorded, found = json.loads(RECORDED.read_text()).get(variant), computed(variant)
    assert recorded is not None, f"record it with: python -m {__name__}"
    assert found.keys() == recorded.keys()
    for what, numbers in recorded.items():
        assert found[what] == pytest.approx(numbers, abs=5e-5, rel=5e-4), what


if __name__ == "__main__":
    recorded = {variant: computed(variant) for variant in EVERY_MODEL}
    lines = (f"{json.dumps(name)}: {json.dumps(values)}" for name, values in recorded.items())
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
