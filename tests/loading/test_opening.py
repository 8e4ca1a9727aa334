"""Weights go into a model where each has the shape and type that its configuration makes; and into no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.opening import Checkpoint, dataset_folder_of, restore_model
from adrec_cli.models.registry import find_model
from tests.reporting.made_up import a_stage

CONFIG = {"hidden_size": 8, "max_length": 4, "blocks": 1, "heads": 1}
Weights = dict[str, torch.Tensor]


def a_checkpoint(weights: Weights, *, items: int = 5) -> Checkpoint:
    metadata = a_stage("sasrec", "train", config=CONFIG, item_count=items, output="sequence").metadata
    return Checkpoint(path=Path("m.safetensors"), sha256="s", metadata=metadata, tensors=weights)


@pytest.fixture
def weights() -> Weights:
    kind = find_model("sasrec")
    return dict(kind(kind.config_type(**CONFIG), 5).state_dict())


@pytest.fixture(autouse=True)
def _first_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the output of the checkpoint be the model's."""
    monkeypatch.setattr(find_model("sasrec"), "outputs", ("sequence", *find_model("sasrec").outputs))


def widen(weights: Weights, name: str) -> None:
    weights[name] = torch.cat([weights[name], weights[name]])


def retype(weights: Weights, name: str) -> None:
    weights[name] = weights[name].double()


def lose(weights: Weights, name: str) -> None:
    del weights[name]


def rename(weights: Weights, name: str) -> None:
    weights[f"{name}.more"] = weights.pop(name)


def test_the_weights_are_the_model_s(weights: Weights) -> None:
    restored = restore_model(a_checkpoint(weights), torch.device("cpu"))
    for name, weight in restored.state_dict().items():
        assert weight.data_ptr() == weights[name].data_ptr(), "the very same tensors"


def test_the_model_is_on_the_device_that_was_asked_for(weights: Weights) -> None:
    for device in ("cpu", "meta"):
        restored = restore_model(a_checkpoint(weights), torch.device(device))
        assert {weight.device.type for weight in restored.state_dict().values()} == {device}


@pytest.mark.parametrize("change", [widen, retype, lose, rename], ids=lambda change: change.__name__)
def test_any_weight_that_is_another_is_refused(weights: Weights, change: Callable[[Weights, str], None]) -> None:
    for name in list(weights):
        changed = dict(weights)
        change(changed, name)
        with pytest.raises(ArtifactError, match=r"m\.safetensors does not fit model 'sasrec': weight"):
            restore_model(a_checkpoint(changed), torch.device("cpu"))
    more = {**weights, "extra": torch.zeros(1)}
    with pytest.raises(ArtifactError, match="weight 'extra' is"):
        restore_model(a_checkpoint(more), torch.device("cpu"))


def test_a_size_that_nobody_has_is_refused_before_memory_is_taken(weights: Weights) -> None:
    with pytest.raises(ArtifactError, match="does not fit model 'sasrec': weight"):
        restore_model(a_checkpoint(weights, items=2**40), torch.device("cpu"))


def test_the_data_set_is_the_one_named_or_the_one_the_checkpoint_lies_in(tmp_path: Path) -> None:
    for name in ("shop", "other"):
        (tmp_path / "ws" / name / "adrec").mkdir(parents=True)
        (tmp_path / "ws" / name / "manifest.json").write_text("{}")
    (tmp_path / "ws/shop/adrec/m.safetensors").touch()
    (tmp_path / "link").symlink_to(tmp_path / "ws")
    for root in ("ws", "link"):
        space = Workspace(tmp_path / root)
        inside = tmp_path / "ws/shop/adrec/m.safetensors"
        assert dataset_folder_of(space, inside, None).resolve() == (tmp_path / "ws/shop").resolve()
        assert dataset_folder_of(space, inside, "other").name == "other"
        assert dataset_folder_of(space, tmp_path / "m.safetensors", "other").name == "other"
