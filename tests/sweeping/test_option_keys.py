"""Short names of options: what is offered can be typed, and what can be typed is offered."""

from __future__ import annotations

import pytest

from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.models.registry import list_trainable
from adrec_cli.sweeping.option_keys import option_names_typed, option_paths, resolve_option


@pytest.mark.parametrize("model", sorted(list_trainable()))
def test_every_name_that_means_one_thing_is_offered_once_and_no_other(model: str) -> None:
    experiment = compose(model)
    offered, paths = option_names_typed(experiment), set(option_paths(experiment))
    assert len(offered) == len(set(offered))
    assert set(offered) >= paths
    for name in {*offered, *(path.rpartition(".")[2] for path in paths)}:
        try:
            meant = set(resolve_option(name, experiment))
        except UsageError:
            assert name not in offered
        else:
            assert name in offered
            assert meant <= paths
    assert {"epochs", "learning_rate", "batch_size"} <= set(offered)


def test_the_paper_s_names_are_offered_where_they_mean_something() -> None:
    assert {"steps", "eta"} <= set(option_names_typed(compose("adrec")))
    assert resolve_option("steps", compose("adrec")) == ("model.diffusion_steps",)
    assert "steps" not in option_names_typed(compose("sasrec"))
