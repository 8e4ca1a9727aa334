"""run, evaluate and recommend on a small workspace."""

from __future__ import annotations

import json
import shutil

import polars as pl
import pytest

from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.config import merge
from adrec_cli.errors import ArtifactError, InputError, NotPromotedError, UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.models.sampling import Sampling
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.preprocess import PreprocessOptions
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.run import RunOptions, run
from adrec_cli.promotion.options import PromotionOptions
from adrec_cli.recommending.options import RecommendOptions
from tests.conftest import TINY, write_interactions

pytestmark = pytest.mark.usefixtures("in_shell")

EXPERIMENT = ExperimentOptions(overrides=TINY)
ANY = PromotionOptions(tolerance=1.0)


@pytest.fixture(scope="module")
def ran_once(tmp_path_factory):
    """A folder with a source and a workspace in which `run` has been, which tests copy."""
    folder = tmp_path_factory.mktemp("ran")
    write_interactions(folder / "shop.csv")
    run(str(folder / "shop.csv"), workspace=folder / "workspace", options=RunOptions(experiment=EXPERIMENT))
    return folder


@pytest.fixture
def ran(ran_once, tmp_path):
    """A workspace of a test's own in which `run` has been, and its source."""
    shutil.copytree(ran_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "workspace", tmp_path / "shop.csv"


def test_a_second_run_does_nothing(ran):
    workspace, source = ran
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    summary = run(str(source), workspace=workspace, options=RunOptions(experiment=EXPERIMENT))
    assert [step.name for step in summary.steps] == [
        "preprocess", "pretrain", "align", "finetune", "evaluate", "promote",
    ]  # fmt: skip
    assert {step.status for step in summary.steps} == {"up to date"}
    assert {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()} == before


def test_the_name_of_what_is_stored_runs_on_it_as_it_is(ran):
    workspace, source = ran
    source.unlink()
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    summary = run("shop", workspace=workspace, options=RunOptions(experiment=EXPERIMENT))
    assert {step.status for step in summary.steps} == {"up to date"}
    assert {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()} == before
    longer = ExperimentOptions(overrides=merge(TINY, {"stages": {"finetune": {"epochs": 2}}}))
    summary = run("shop", workspace=workspace, options=RunOptions(experiment=longer, promotion=ANY))
    assert (workspace / "shop" / "sequences.parquet").read_bytes() == before[workspace / "shop" / "sequences.parquet"]
    assert [step.status for step in summary.steps if step.name == "finetune"] == ["done"]


def test_what_is_stored_is_not_read_again_by_other_options(ran):
    workspace, _ = ran
    options = RunOptions(experiment=EXPERIMENT, preprocessing=PreprocessOptions(min_user_interactions=2))
    with pytest.raises(UsageError, match="shop is taken as the workspace holds it") as raised:
        run("shop", workspace=workspace, options=options)
    assert "--min-user-interactions" in str(raised.value) or "--min-interactions" in str(raised.value)


def test_a_file_comes_before_what_is_stored_under_its_name(ran, tmp_path, monkeypatch):
    workspace, source = ran
    monkeypatch.chdir(tmp_path)
    write_interactions(source, users=140)
    source.rename("shop")
    summary = run("shop", workspace=workspace, options=RunOptions(experiment=EXPERIMENT, promotion=ANY))
    assert (summary.steps[0].name, summary.steps[0].status) == ("preprocess", "done")


def test_new_data_bring_everything_up_to_date(ran):
    workspace, source = ran
    write_interactions(source, users=140)
    summary = run(str(source), workspace=workspace, options=RunOptions(experiment=EXPERIMENT, promotion=ANY))
    assert {step.status for step in summary.steps} == {"done"}


def test_a_worse_model_is_not_promoted(ran):
    workspace, source = ran
    current = (workspace / "shop/adrec/current.json").read_bytes()
    bad = ExperimentOptions(
        overrides=merge(
            TINY,
            {"stages": {name: {"epochs": 1, "learning_rate": 1e-9} for name in ("pretrain", "align", "finetune")}},
        )
    )
    better = ExperimentOptions(overrides=merge(TINY, {"stages": {"pretrain": {"epochs": 20, "learning_rate": 0.01}}}))
    run(str(source), workspace=workspace, options=RunOptions(experiment=better, promotion=ANY))
    current = (workspace / "shop/adrec/current.json").read_bytes()
    with pytest.raises(NotPromotedError, match=r"ndcg@10 is .* the current one's"):
        run(str(source), workspace=workspace, options=RunOptions(experiment=bad))
    assert (workspace / "shop/adrec/current.json").read_bytes() == current
    assert recommend(workspace=workspace, users=["u1"]).promoted


def test_what_is_monitored_may_leave_seen_items_out(ran):
    """Training, `evaluate --part valid --mask-seen` and the comparison before promotion tell the same figure."""
    workspace, source = ran
    masked = ExperimentOptions(overrides=merge(TINY, {"training": {"monitor_mask_seen": True}}))
    summary = run(str(source), workspace=workspace, options=RunOptions(experiment=masked, promotion=ANY))
    metrics = read_metadata(workspace / "shop/adrec/finetune.safetensors").metrics
    monitored = metrics["values"]["ndcg@10"]
    assert metrics["protocol"] == "loo/full/valid/mask-seen"
    values = {
        mask_seen: evaluate(
            "finetune", workspace=workspace,
            options=EvaluationOptions(part="valid", mask_seen=mask_seen, sampling=Sampling(steps=1, noise="zero")),
        ).metrics["ndcg@10"]
        for mask_seen in (True, False)
    }  # fmt: skip
    assert monitored == pytest.approx(values[True], rel=1e-9)
    assert values[True] > values[False]
    assert summary.comparison.protocol == "loo/full/valid/mask-seen"
    assert summary.comparison.candidate == pytest.approx(monitored, rel=1e-9)


def test_reports_carry_protocol_and_counts(ran):
    workspace, _ = ran
    full = evaluate("finetune", workspace=workspace)
    assert full.protocol == "loo/full/test"
    assert full.users == full.cases == 120
    stored = json.loads((workspace / "shop/reports/adrec-finetune-loo-full-test.json").read_text())
    assert stored["metrics"] == full.metrics
    assert set(full.metrics) == {f"{name}@{k}" for name in ("hr", "ndcg", "mrr") for k in (5, 10, 20, 50)}
    sampled = evaluate("finetune", workspace=workspace, options=EvaluationOptions(negatives=20, part="valid"))
    assert sampled.protocol == "loo/sampled-20/valid"
    assert sampled.metrics["hr@10"] > full.metrics["hr@10"]
    masked = evaluate("finetune", workspace=workspace, options=EvaluationOptions(mask_seen=True))
    assert masked.protocol == "loo/full/test/mask-seen"
    assert masked.metrics["hr@10"] >= full.metrics["hr@10"]


def test_equal_seeds_evaluate_alike(ran):
    workspace, _ = ran
    options = EvaluationOptions(sampling=Sampling(seed=5))
    first, second = (evaluate("finetune", workspace=workspace, options=options).metrics for _ in range(2))
    assert first == second


def test_negatives_from_a_file_in_rechorus_form(ran, tmp_path):
    workspace, _ = ran
    folder = workspace / "shop"
    items = pl.read_parquet(folder / "items.parquet")["item_id"].to_list()
    table = pl.read_parquet(folder / "sequences.parquet")
    rows = pl.DataFrame(
        {
            "user_id": table["user_id"],
            "item_id": [items[row[-1] - 1] for row in table["items"].to_list()],
            "neg_items": [items[:7]] * table.height,
        }
    )
    rows.write_parquet(tmp_path / "test.parquet")
    text = rows.with_columns(pl.Series("neg_items", [json.dumps(entry) for entry in rows["neg_items"].to_list()]))
    text.write_csv(tmp_path / "test.csv", separator="\t", quote_style="never")
    results = [
        evaluate("finetune", workspace=workspace, options=EvaluationOptions(negatives_file=tmp_path / name))
        for name in ("test.parquet", "test.csv")
    ]
    assert results[0].metrics == results[1].metrics
    assert results[0].protocol == "loo/sampled-7/test"
    assert results[0].metrics["hr@10"] == 1.0
    with pytest.raises(InputError, match="the target of user"):
        evaluate(
            "finetune", workspace=workspace,
            options=EvaluationOptions(negatives_file=tmp_path / "test.parquet", part="valid"),
        )  # fmt: skip


def test_recommend_to_known_and_unknown_people(ran):
    workspace, _ = ran
    found = recommend(
        workspace=workspace, users=["u3", "u1"], histories=[["i1", "i2", "nothing"]], options=RecommendOptions(k=4)
    )
    assert found.promoted
    assert [result.user_id for result in found.results] == ["u3", "u1", None]
    for result in found.results:
        ids = [item.item_id for item in result.items]
        assert len(ids) == len(set(ids)) == 4
        assert not set(ids) & set(result.history)
        assert [item.rank for item in result.items] == [1, 2, 3, 4]
        assert [item.score for item in result.items] == sorted((item.score for item in result.items), reverse=True)
    assert found.results[2].unknown_items == ["nothing"]
    alone = recommend(workspace=workspace, histories=[["i1", "i2"]], options=RecommendOptions(k=4))
    assert [item.item_id for item in alone.results[0].items] == [item.item_id for item in found.results[2].items]
    everything = recommend(workspace=workspace, users=["u3"], options=RecommendOptions(k=10_000, include_seen=True))
    assert len(everything.results[0].items) == pl.read_parquet(workspace / "shop/items.parquet").height


def test_who_cannot_be_served_is_told_how(ran):
    workspace, _ = ran
    with pytest.raises(InputError, match="unknown user 'nobody'") as refused:
        recommend(workspace=workspace, users=["nobody"])
    assert "--history" in refused.value.hint
    with pytest.raises(InputError, match="none of the 2 items"):
        recommend(workspace=workspace, histories=[["x", "y"]])
    with pytest.raises(UsageError, match="nobody to recommend to"):
        recommend(workspace=workspace)
    with pytest.raises(UsageError, match="between 1 and"):
        RecommendOptions(k=0)


def test_without_a_model_the_next_command_is_named(workspace):
    with pytest.raises(ArtifactError, match="no trained model") as refused:
        recommend(workspace=workspace, users=["u1"])
    assert refused.value.hint == "train one with: adrec run tiny"
    with pytest.raises(ArtifactError, match="no trained model sasrec") as refused:
        recommend(workspace=workspace, users=["u1"], model="sasrec")
    assert refused.value.hint == "train one with: adrec run tiny --model sasrec"


def test_a_promoted_model_outlives_retraining(ran):
    workspace, _ = ran
    before = recommend(workspace=workspace, users=["u1"])
    (workspace / "shop/adrec/finetune.safetensors").unlink()
    assert recommend(workspace=workspace, users=["u1"]) == before


@pytest.mark.parametrize("name", ["../../elsewhere.safetensors", "/etc/passwd", "promoted/none.safetensors"])
def test_a_current_file_that_points_elsewhere_is_refused(ran, name):
    workspace, _ = ran
    path = workspace / "shop/adrec/current.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "checkpoint": name}))
    with pytest.raises(ArtifactError, match=r"current\.json"):
        recommend(workspace=workspace, users=["u1"])


def test_forced_stages_train_again(ran):
    workspace, source = ran
    summary = run(
        str(source),
        workspace=workspace,
        options=RunOptions(experiment=EXPERIMENT),
        work=Work(options=ComputeOptions(force=True)),
    )
    assert [step.status for step in summary.steps][1:4] == ["done"] * 3
