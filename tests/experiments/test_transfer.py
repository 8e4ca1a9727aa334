"""What of a model of content alone goes to another catalogue, and what is refused rather than replaced by zeros."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint, save_checkpoint
from adrec_cli.content.options import EncodeOptions
from adrec_cli.errors import ArtifactError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.transfer import open_for_transfer
from adrec_cli.loading.opening import Dataset, open_dataset, restore_model
from adrec_cli.loading.plugins import plugins
from adrec_cli.models.registry import find_model, list_trainable
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train, train_next_stage
from tests.extending.conftest import SOURCE
from tests.pipeline.test_new_items import CATEGORIES, ONE_THREAD, write_groups
from tests.robustness.processes import typed_here
from tests.variants import small_model

Tensors = dict[str, torch.Tensor]
TABLE = "item_embedding.content"
MARKOV = SOURCE[: SOURCE.index("def hinge")]
FOLLOWER = "        self.follower = nn.Linear(config.hidden_size, config.hidden_size)\n"
PLUGINS = {
    "plain": MARKOV,
    "one table under two names": MARKOV.replace(FOLLOWER, FOLLOWER + "        self.again = self.item_embedding\n"),
    "a bias": MARKOV.replace(
        FOLLOWER, FOLLOWER + "        self.follower.bias_V = nn.Parameter(torch.zeros(items + 1))\n"
    ),
    "a buffer": MARKOV.replace(
        FOLLOWER, FOLLOWER + "        self.register_buffer('seen_V', torch.ones(items + 1, dtype=torch.bool))\n"
    ),
}
PER_ITEM = {"a bias": "follower.bias_V", "a buffer": "seen_V"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets whose items are encoded alike."""
    folder = tmp_path_factory.mktemp("transfer")
    for name, prefix, items in (("one", "i", 50), ("two", "x", 40)):
        (folder / name).mkdir()
        events, file = write_groups(folder / name, items, prefix=prefix)
        preprocess(str(events), workspace=folder / "ws", options=PreprocessOptions(items=file, name=name))
    encode("one", workspace=folder / "ws", options=CATEGORIES)
    encode("two", workspace=folder / "ws", options=EncodeOptions(like="one"))
    return folder / "ws"


@pytest.fixture
def two(workspace: Path) -> Dataset:
    return open_dataset(workspace / "two")


def trained(workspace: Path, plugin: Path, source: str) -> Path:
    """Write a plugin and train its model on the first data set; return the checkpoint."""
    plugin.write_text(f"{source}\nMODELS = {{'markov': Markov}}\n")
    tables = {"model": {"content": "only", "hidden_size": 8, "max_length": 8},
              "stages": {"train": {"epochs": 1}}}  # fmt: skip
    with plugins([plugin]):
        return train("one", model_name="markov", workspace=workspace, work=ONE_THREAD,
                     experiment=ExperimentOptions(overrides=tables))[-1].path  # fmt: skip


@pytest.fixture(scope="module")
def markov(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The plugin of the page, and a checkpoint of its model."""
    plugin = tmp_path_factory.mktemp("plugin") / "my_model.py"
    path = trained(workspace, plugin, MARKOV)
    return plugin, path.rename(plugin.with_name("markov.safetensors"))


@pytest.mark.parametrize("kind", PLUGINS)
def test_only_the_content_of_item_tables_is_replaced(workspace: Path, tmp_path: Path, kind: str) -> None:
    plugin = tmp_path / "mine.py"
    path = trained(workspace, plugin, PLUGINS[kind])
    with plugins([plugin]):

        def go() -> Path:
            return train_next_stage("train", parent=str(path), model_name="markov", workspace=workspace,
                                    dataset_name="two", work=ONE_THREAD).path  # fmt: skip

        if kind not in PER_ITEM:
            assert load_checkpoint(go())[1].item_count == 40
            return
        with pytest.raises(ArtifactError) as raised:
            go()
    assert f"cannot go to the items of 'two': weight {PER_ITEM[kind]!r} is (51,)" in raised.value.message
    assert raised.value.message.endswith("its configuration makes it (41,) of " + raised.value.message.split()[-1])
    assert raised.value.hint == f"train on them: adrec train two --plugin {plugin} --model markov"


@pytest.mark.parametrize(
    "damage",
    [
        lambda tensors: tensors.update(unknown=torch.zeros(2)),
        lambda tensors: tensors.pop("follower.bias"),
        lambda tensors: tensors.update({"follower.weight": torch.ones(8, 9)}),
        lambda tensors: tensors.update({"follower.bias": torch.ones(8, dtype=torch.float64)}),
        lambda tensors: tensors.update({f"{TABLE}.content_VC": tensors[f"{TABLE}.content_VC"][:, 1:].clone()}),
        lambda tensors: tensors.update({f"{TABLE}.learnt_V": torch.ones(41, dtype=torch.bool)}),
        lambda tensors: tensors.pop(f"{TABLE}.learnt_V"),
    ],
    ids=["unknown", "missing", "shape", "type", "width of content", "items", "no content"],
)
def test_weights_that_are_not_those_of_the_model_are_refused(
    markov: tuple[Path, Path], two: Dataset, tmp_path: Path, damage: Callable[[Tensors], object]
) -> None:
    plugin, path = markov
    tensors, metadata = load_checkpoint(path)
    damage(tensors)
    save_checkpoint(tmp_path / "damaged.safetensors", tensors, metadata)
    with plugins([plugin]):
        assert open_for_transfer(path, two).metadata.item_count == 40
        with pytest.raises(ArtifactError, match="weight '"):
            open_for_transfer(tmp_path / "damaged.safetensors", two)


def test_a_configuration_that_cannot_be_is_a_fault_of_the_checkpoint(
    markov: tuple[Path, Path], two: Dataset, tmp_path: Path
) -> None:
    plugin, path = markov
    tensors, metadata = load_checkpoint(path)
    config = {**metadata.config, "nonsense": 1}
    save_checkpoint(tmp_path / "other.safetensors", tensors, dataclasses.replace(metadata, config=config))
    with plugins([plugin]), pytest.raises(ArtifactError, match="nonsense"):
        open_for_transfer(tmp_path / "other.safetensors", two)


def test_without_its_plugin_or_with_other_code_it_is_refused(
    markov: tuple[Path, Path], workspace: Path, tmp_path: Path
) -> None:
    plugin, path = markov
    typed = ["finetune", "--from", path, "--dataset", "two", "--workspace", workspace]
    said = typed_here(typed).require_one_error(4)
    assert "is of model 'markov', which is not registered here; it is of plugin my_model.py" in said
    other = tmp_path / "my_model.py"
    other.write_text(plugin.read_text().replace("0.1)", "0.2)"))
    assert "other code of model 'markov'" in typed_here([*typed, "--plugin", other]).require_one_error(4)


@pytest.mark.parametrize(
    "name", [name for name in list_trainable() if "content" in find_model(name).config_type.__dataclass_fields__]
)
def test_every_model_of_adrec_goes_with_all_its_weights(
    markov: tuple[Path, Path], two: Dataset, tmp_path: Path, name: str
) -> None:
    before, metadata = load_checkpoint(markov[1])
    model = small_model(name, {"content": "only", "content_width": before[f"{TABLE}.content_VC"].shape[1]}, items=50)
    config = {field.rstrip("_"): value for field, value in dataclasses.asdict(model.config).items()}
    tensors = {key: weight.clone() for key, weight in model.state_dict().items()}
    told = dataclasses.replace(metadata, model=name, config=config, output=model.outputs[0], plugins={})
    save_checkpoint(tmp_path / "model.safetensors", tensors, told)
    moved = open_for_transfer(tmp_path / "model.safetensors", two)
    assert {key for key in tensors if not torch.equal(tensors[key], moved.tensors[key])} == {
        f"{TABLE}.content_VC", f"{TABLE}.learnt_V",
    }  # fmt: skip
    assert len(restore_model(moved, torch.device("cpu")).item_tables()[0].vectors_VD()) == 41
