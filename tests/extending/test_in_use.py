"""A researcher's own model, loss and metric go through every command, and are missed where they are missing."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.cli.app import app
from adrec_cli.errors import ArtifactError, ExitCode
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.extending.in_use import list_loaded_plugins
from adrec_cli.loading.plugins import load_plugin, plugins
from adrec_cli.pipeline.train import train
from tests.extending.conftest import SOURCE
from tests.robustness.servers import serving

HINGE = ["--set", "stages.train.ranking_loss=hinge", "--monitor", "rbp@10", "--epochs", 2, "--threads", 1]


def typed(*arguments: object, **env: str) -> Result:
    env = {"ADREC_WORKSPACE": None, "ADREC_PLUGINS": None, **env}  # type: ignore[dict-item]
    return CliRunner(env=env).invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def trained(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin and a workspace in which its model is trained with its loss and metric."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(tiny_source, folder / "workspace")
    (folder / "my_model.py").write_text(SOURCE)
    done = typed("train", "tiny", "-w", folder / "workspace", "--model", "markov", *HINGE,
                 "--plugin", folder / "my_model.py")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return folder


def test_a_checkpoint_says_what_came_from_outside(trained: Path) -> None:
    metadata = read_metadata(trained / "workspace/tiny/markov/train.safetensors")
    assert set(metadata.plugins) == {"model", "ranking_loss", "metric"}
    assert {told["plugin"] for told in metadata.plugins.values()} == {"my_model.py"}
    assert {told["name"] for told in metadata.plugins.values()} == {"markov", "hinge", "rbp"}
    assert metadata.metrics["values"].keys() >= {"rbp@10", "ndcg@10"}


def test_it_is_up_to_date_until_its_code_means_something_else(trained: Path, tmp_path: Path) -> None:
    def again(source: str) -> str:
        path = tmp_path / "my_model.py"
        path.write_text(source)
        done = typed("train", "tiny", "-w", tmp_path / "workspace", "--model", "markov", *HINGE, "--plugin", path)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    assert "up to date" in again(SOURCE)
    assert "up to date" in again(f"# A comment.\n{SOURCE}")
    assert "up to date" not in again(SOURCE.replace("torch.relu(1 +", "torch.relu(2 +"))


def test_a_model_of_adrec_does_not_mind_a_plugin(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    small = {"model": {"hidden_size": 8, "heads": 2}, "stages": {"train": {"epochs": 1}}}

    def trained_again() -> bool:
        options = ExperimentOptions(overrides=small)
        (stage,) = train("tiny", model_name="sasrec", workspace=tmp_path / "workspace", experiment=options)
        assert stage.metadata.plugins == {}
        return not stage.skipped

    assert trained_again()
    before = (tmp_path / "workspace/tiny/sasrec/train.safetensors").read_bytes()
    assert b"plugins" not in before[:4000], "as it was before there were plugins"
    with plugins([trained / "my_model.py"]):
        assert not trained_again()


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "train", "--dataset", "tiny"],
        ["compare", "tiny"],
        ["sweep", "tiny", "--model", "markov", "--vary", "hidden_size=8,16", "--epochs", 1, "--no-picture"],
        ["recommend", "--dataset", "tiny", "--model", "markov", "--history", "i1,i2"],
        ["inspect", "markov", "--dataset", "tiny"],
        ["report", "tiny"],
    ],
    ids=lambda words: str(words[0]),
)
def test_every_command_takes_it(trained: Path, tmp_path: Path, command: list[object]) -> None:
    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    env = {"ADREC_WORKSPACE": str(tmp_path / "workspace"), "ADREC_PLUGINS": str(trained / "my_model.py")}
    done = typed(*command, "--json", **env)
    assert done.exit_code == 0, done.stderr
    told = json.dumps(json.loads(done.stdout))
    if command[0] in ("evaluate", "compare", "sweep"):
        assert "rbp@10" in told
    if command[0] in ("compare", "report"):
        assert "left out" not in done.stderr
    assert list_loaded_plugins() == (), "for this command only"


def test_it_is_drawn_under_its_own_title(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    env = {"ADREC_WORKSPACE": str(tmp_path / "workspace")}
    flags = ["--only", "curves", "--only", "spectrum", "--plugin", trained / "my_model.py", "--json"]
    done = typed("plot", "tiny", *flags, **env)
    assert done.exit_code == 0, done.stderr
    assert "Training of Markov chain on tiny" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "workspace/tiny/markov/train.safetensors"],
        ["recommend", "--dataset", "tiny", "--model", "markov", "--history", "i1"],
        ["recommend", "--model", "markov", "--history", "i1"],
        ["compare", "tiny", "--models", "markov"],
        ["inspect", "train", "--dataset", "tiny"],
    ],
    ids=" ".join,
)
def test_without_it_a_checkpoint_is_refused(trained: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.chdir(trained)
    done = typed(*command)
    assert done.exit_code == ExitCode.ARTIFACT
    assert "is of model 'markov', which is not registered here; it is of plugin my_model.py" in done.stderr
    assert "--plugin my_model.py" in done.stderr


def test_without_it_a_report_says_what_is_left_out(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    done = typed("report", "tiny", "-w", tmp_path / "workspace", "--json")
    assert done.exit_code == 0, done.stderr
    page = Path(json.loads(done.stdout)["path"]).read_text()
    assert "which is not registered here; it is of plugin my_model.py" in page


def test_other_code_of_a_model_is_refused(trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "my_model.py"
    other.write_text(SOURCE.replace("0.1)", "0.2)"))
    path = trained / "workspace/tiny/markov/train.safetensors"
    done = typed("evaluate", path, "-w", trained / "workspace", "--plugin", other)
    assert done.exit_code == ExitCode.ARTIFACT
    said = r"trained with other code of model 'markov': my_model\.py (\w{12}), here is my_model\.py (\w{12})\n"
    found = re.search(said, done.stderr)
    assert found is not None
    assert read_metadata(path).plugins["model"]["sha256"].startswith(found[1])
    assert found[1] != found[2]


def test_a_model_that_sees_what_comes_later_is_not_trained(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    source = SOURCE.replace("self.follower(embedded_RLD)", "self.follower(embedded_RLD.flip(1))")
    (tmp_path / "my_model.py").write_text(source)
    words = ["train", "tiny", "-w", tmp_path / "workspace", "--model", "markov", "--plugin", tmp_path / "my_model.py"]
    refused = typed(*words, *HINGE)
    assert refused.exit_code == ExitCode.USAGE
    assert "model 'markov' sees what comes later" in refused.stderr
    # Where every prefix is a sample of its own, only its last target is learned.
    prefixes = ["--set", "training.samples=prefixes"]
    assert "sees what comes later" not in typed(*words, *HINGE, *prefixes).stderr


def test_a_loss_may_be_missing_where_a_model_is_used_but_not_where_it_is_trained(
    workspace: Path, my_model: Path
) -> None:
    flags = ["-w", workspace, "--threads", 1, "--set", "model.hidden_size=8", "--set", "model.heads=2"]
    first = typed("pretrain", "tiny", *flags, "--epochs", 1, "--plugin", my_model,
                  "--set", "stages.pretrain.ranking_loss=hinge")  # fmt: skip
    assert first.exit_code == 0, first.stderr
    assert typed("evaluate", "pretrain", "-w", workspace).exit_code == 0
    done = typed("align", "--from", "pretrain", "-w", workspace)
    assert done.exit_code == ExitCode.ARTIFACT
    assert (
        "trained with the ranking_loss hinge, which is not registered here; it is of plugin my_model.py" in done.stderr
    )


def test_a_checkpoint_that_names_a_file_does_not_run_it(trained: Path, tmp_path: Path, monkeypatch) -> None:
    """Not even one that lies where it is looked for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text(f"{SOURCE}\nopen('ran', 'w')\n")
    assert typed("evaluate", trained / "workspace/tiny/markov/train.safetensors").exit_code == ExitCode.ARTIFACT
    assert typed("recommend", "-w", trained / "workspace", "--model", "markov", "--history", "i1").exit_code == 4
    assert not (tmp_path / "ran").exists()


def test_it_answers_over_http_from_several_processes(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    flags = ["--model", "markov", "--plugin", trained / "my_model.py", "--workers", 2]
    with serving(trained / "workspace", tmp_path, *flags) as server:
        status, told = server.ask(history=["i1", "i2"], k=3)
        assert status == 200, told


def test_python_uses_it_from_then_on(trained: Path) -> None:
    from adrec_cli import load_recommender

    with pytest.raises(ArtifactError, match="not registered here"):
        load_recommender(trained / "workspace", model="markov")
    load_plugin(trained / "my_model.py")
    load_plugin(trained / "my_model.py")
    assert len(list_loaded_plugins()) == 1
    assert len(load_recommender(trained / "workspace", model="markov").recommend(history=["i1"], k=3)) == 3


def test_several_files_are_named_as_a_path_is(trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("METRICS = {'first': lambda ranks, k: (ranks == 1).astype(float)}\n")
    both = os.pathsep.join(map(str, (trained / "my_model.py", other)))
    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    done = typed("evaluate", "train", "-w", tmp_path / "workspace", "--json", ADREC_PLUGINS=both)
    assert done.exit_code == 0, done.stderr
    assert {"first@10", "rbp@10"} <= json.loads(done.stdout)["metrics"].keys()


def test_figures_of_another_metric_under_the_same_name_are_computed_again(trained: Path, tmp_path: Path) -> None:
    def measured(body: str) -> float:
        path = tmp_path / "metric.py"
        path.write_text(f"METRICS = {{'mine': lambda ranks, k: {body}}}\n")
        flags = ["-w", tmp_path / "workspace", "--plugin", trained / "my_model.py", "--plugin", path, "--json"]
        compared = json.loads(typed("compare", "tiny", *flags).stdout)
        return next(model["metrics"]["mine@10"] for model in compared["models"] if model["name"] == "markov")

    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    assert measured("0.0 * ranks + 0.25") == 0.25
    assert measured("0.0 * ranks + 0.75") == 0.75


def test_without_it_a_comparison_of_all_says_who_is_left_out(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    done = typed("compare", "tiny", "-w", tmp_path / "workspace")
    assert done.exit_code == ExitCode.ARTIFACT, "nobody else is trained"
    assert "markov is left out" in done.stderr
    assert "it is of plugin my_model.py" in done.stderr
