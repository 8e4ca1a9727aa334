"""Baselines as commands: trained, resumed, evaluated, recommended and promoted like ADRec; they learn what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.config import merge
from adrec_cli.errors import InterruptedRun, UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import Work
from adrec_cli.models.registry import list_trainable
from adrec_cli.models.sampling import Sampling
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.run import RunOptions, run
from adrec_cli.pipeline.train import train
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.runtime import StopRequest
from adrec_cli.training.events import StepDone
from tests.conftest import write_interactions
from tests.tiers import sampled

NAMES = [name for name in list_trainable() if name != "adrec"]
NETWORKS = {
    "hstu": {"heads": 2},
    "bsarec": {"blocks": 1, "dropout": 0.1, "embedding_dropout": 0.1},
    "sasrec": {"heads": 2, "blocks": 1},
    "esasrec": {"heads": 2},
    "gru4rec": {"gru_size": 16},
    "dreamrec": {"diffusion_steps": 10, "dropout": 0.0},
    "diffurec": {"heads": 2, "blocks": 1, "diffusion_steps": 4},
}
# DiffuRec learns from every prefix, so an epoch has several times the steps.
EPOCHS = {"dreamrec": 25, "diffurec": 6, "bsarec": 6}


def options(name: str, **stage) -> ExperimentOptions:
    return ExperimentOptions(
        overrides={
            "model": {"hidden_size": 16, "max_length": 10, **NETWORKS[name]},
            "training": {"batch_size": 16, "seed": 1},
            "stages": {"train": {"epochs": EPOCHS.get(name, 15), "learning_rate": 0.01, **stage}},
        }
    )


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the data set noise, from which nothing can be learned but popularity."""
    folder = tmp_path_factory.mktemp("noise")
    write_interactions(folder / "noise.csv", users=300, shuffled=True)
    preprocess(str(folder / "noise.csv"), workspace=folder, options=PreprocessOptions())
    return folder


@sampled("name", NAMES, quick=["gru4rec"])
def test_what_can_be_learned_is_learned(workspace, name):
    train("tiny", model_name=name, workspace=workspace, experiment=options(name))
    popular = evaluate("mostpop", workspace=workspace).metrics["ndcg@10"]
    whole_chain = evaluate("train", workspace=workspace)
    assert whole_chain.model == name
    assert whole_chain.metrics["ndcg@10"] > max(0.5, 2 * popular)
    one_step = EvaluationOptions(sampling=Sampling(steps=1, noise="zero"))
    assert evaluate("train", workspace=workspace, options=one_step).metrics["ndcg@10"] > max(0.5, 2 * popular)


@sampled("name", NAMES, quick=["gru4rec"])
def test_noise_is_not_learned(noise, name):
    """Nothing beats popularity but by chance: at 300 users 3 standard errors of HR@10 are below 0.09."""
    train("noise", model_name=name, workspace=noise, experiment=options(name, epochs=3))
    popular = evaluate("mostpop", workspace=noise).metrics["hr@10"]
    path = str(noise / f"noise/{name}/train.safetensors")
    assert evaluate(path, workspace=noise).metrics["hr@10"] < popular + 0.09


@sampled("loss", ["bce", "gbce", "sampled_softmax", "bpr_max", "top1_max"], quick=["bpr_max"])
def test_every_loss_over_negatives_learns(workspace, loss):
    own = {"shared_negatives": False, "negatives": 4, "gbce_t": 0.5}
    shared = {"negatives": 16, "negatives_power": 0.5}
    of_it = own if loss.endswith("bce") else shared
    chosen = options("sasrec", ranking_loss=loss, epochs=16, learning_rate=0.03, **of_it)
    result = train("tiny", model_name="sasrec", workspace=workspace, experiment=chosen)[0]
    assert result.metadata.training["stages"]["train"]["ranking_loss"] == loss
    assert evaluate("train", workspace=workspace).metrics["ndcg@10"] > 0.5


@sampled("name", NAMES, quick=["gru4rec"])
def test_an_interrupted_training_goes_on_to_the_same_bytes(workspace, name):
    short = options(name, epochs=2)
    sampled = ExperimentOptions(
        overrides=merge(short.overrides, {"stages": {"train": {"ranking_loss": "sampled_softmax", "negatives": 8}}})
    )
    whole = train("tiny", model_name=name, workspace=workspace, experiment=sampled)[0].path
    expected = whole.read_bytes()
    whole.unlink()
    stop = StopRequest()

    def interrupt(event: object) -> None:
        if isinstance(event, StepDone) and (event.epoch, event.step) == (2, 3):
            stop.signal_number = 2

    with pytest.raises(InterruptedRun):
        train(
            "tiny", model_name=name, workspace=workspace, experiment=sampled, work=Work(stop=stop, on_event=interrupt)
        )
    assert not whole.exists()
    train("tiny", model_name=name, workspace=workspace, experiment=sampled)
    assert whole.read_bytes() == expected


def test_a_single_stage_model_runs_recommends_and_is_up_to_date_afterwards(tmp_path):
    write_interactions(tmp_path / "shop.csv")
    short = options("sasrec", epochs=2)
    arguments = {"model_name": "sasrec", "workspace": tmp_path / "workspace", "options": RunOptions(experiment=short)}
    first = run(str(tmp_path / "shop.csv"), **arguments)
    assert [step.name for step in first.steps] == ["preprocess", "train", "evaluate", "promote"]
    assert {step.status for step in run(str(tmp_path / "shop.csv"), **arguments).steps} == {"up to date"}
    for model in ("sasrec", None):
        found = recommend(workspace=tmp_path / "workspace", users=["u3"], model=model, options=RecommendOptions(k=4))
        assert (found.model, found.promoted, len(found.results[0].items)) == ("sasrec", True, 4)


def test_an_unknown_loss_model_or_stage_is_refused(workspace):
    with pytest.raises(UsageError, match="unknown ranking_loss 'hinge'"):
        train("tiny", model_name="sasrec", workspace=workspace, experiment=options("sasrec", ranking_loss="hinge"))
    with pytest.raises(UsageError, match="'bert4rec'"):
        train("tiny", model_name="bert4rec", workspace=workspace)
    pretrain = ExperimentOptions(overrides={"stages": {"pretrain": {"epochs": 1}}})
    with pytest.raises(UsageError, match="unknown configuration key 'pretrain'"):
        train("tiny", model_name="sasrec", workspace=workspace, experiment=pretrain)
