"""Models side by side: under one protocol, against the best baseline, and averaged over seeds."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.artifacts.evaluation import read_evaluation, read_ranks
from adrec_cli.artifacts.json_files import content_sha256
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.sweep_files import RESULT_COLUMNS, SweepRecord, write_sweep
from adrec_cli.artifacts.training_log import TrainingCosts, stage_costs
from adrec_cli.comparing.options import CompareOptions
from adrec_cli.comparing.side_by_side import of_users, require_comparable
from adrec_cli.config import merge
from adrec_cli.errors import ArtifactError, InterruptedRun, LockedError, UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.events import EvaluationStarted, StageStarted
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import Work
from adrec_cli.pipeline.clean import removable
from adrec_cli.pipeline.compare import compare
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train
from adrec_cli.pipeline.verify import verify
from adrec_cli.ranking.metrics import metric_names
from adrec_cli.ranking.significance import differences_to
from adrec_cli.runtime import StopRequest
from adrec_cli.sweeping.trials import Trial, write_trials
from adrec_cli.training.events import EpochDone
from tests.conftest import TINY, write_interactions


def options(model: str, epochs: int) -> ExperimentOptions:
    network = {"hidden_size": 8, "max_length": 10, **({"heads": 2, "blocks": 1} if model == "sasrec" else {})}
    stage = {"epochs": epochs, "learning_rate": 0.01}
    return ExperimentOptions(
        overrides={"model": network, "training": {"batch_size": 16, "seed": 7}, "stages": {"train": stage}}
    )


@pytest.fixture(scope="module")
def trained(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with SASRec, GRU4Rec and all stages of ADRec; tests that change it copy it."""
    workspace = tmp_path_factory.mktemp("trained") / "workspace"
    shutil.copytree(tiny_source, workspace)
    for model, epochs in (("sasrec", 6), ("gru4rec", 1)):
        train("tiny", model_name=model, workspace=workspace, experiment=options(model, epochs))
    train("tiny", workspace=workspace, experiment=ExperimentOptions(overrides=TINY))
    return workspace


@pytest.fixture
def own(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "own")
    return tmp_path / "own"


def compared(workspace: Path, *models: str, **more):
    """Compare and return the result with the models that were evaluated for it."""
    events = []
    chosen = CompareOptions(models=models, **{key: more.pop(key) for key in ("metrics", "against", "evaluate", "seeds")
                                              if key in more})  # fmt: skip
    found = compare("tiny", workspace=workspace, options=chosen, work=Work(on_event=events.append), **more)
    return found, [event.model for event in events if isinstance(event, EvaluationStarted)], events


def test_all_trained_models_and_the_one_that_counts(trained):
    found, evaluated, _ = compared(trained)
    assert sorted(evaluated) == ["adrec", "gru4rec", "mostpop", "sasrec"]
    assert (found.protocol, found.users, found.left_out) == ("loo/full/test", 120, [])
    values = [model.metrics["ndcg@10"] for model in found.models]
    assert values == sorted(values, reverse=True)
    by_name = {model.name: model for model in found.models}
    baselines = {name: model.metrics["ndcg@10"] for name, model in by_name.items() if name != "adrec"}
    assert found.reference == max(baselines, key=lambda name: baselines[name])
    assert by_name[found.reference].differences == {}
    assert by_name["mostpop"].training_seconds is by_name["mostpop"].epochs is None
    assert by_name["adrec"].training_seconds > 0
    assert by_name["sasrec"].seeds == [7]
    # Nothing is ranked twice.
    again, evaluated, _ = compared(trained)
    assert (again, evaluated) == (found, [])


def test_differences_come_from_the_same_users(trained):
    found, _, _ = compared(trained, "gru4rec", "sasrec", "mostpop", "adrec/pretrain", metrics=("hr@5", "mrr@20"))
    by_name = {model.name: model for model in found.models}
    assert list(by_name) != ["gru4rec", "sasrec", "mostpop", "adrec/pretrain"], "ordered by hr@5"
    assert found.models[0].metrics["hr@5"] == max(model.metrics["hr@5"] for model in found.models)
    others = [model for model in found.models if model.name != found.reference]
    for metric in ("hr@5", "mrr@20"):
        values = {name: of_users(read_ranks(Path(model.reports[0])), metric) for name, model in by_name.items()}
        expected = differences_to(values[found.reference], [values[model.name] for model in others])
        assert [model.differences[metric] for model in others] == expected
        for model in others:
            value = model.metrics[metric] - by_name[found.reference].metrics[metric]
            assert model.differences[metric].value == pytest.approx(value)
            assert model.differences[metric].p_holm >= model.differences[metric].p
    assert by_name["adrec/pretrain"].stage == "pretrain"


def test_the_reference_can_be_chosen_and_one_model_has_none(trained):
    found, _, _ = compared(trained, "adrec", "sasrec", "mostpop", against="adrec")
    assert found.reference == "adrec"
    alone, _, _ = compared(trained, "sasrec")
    assert (alone.reference, alone.models[0].differences) == (None, {})
    stages, _, _ = compared(trained, "adrec", "adrec/pretrain", "adrec/align")
    assert stages.reference == stages.models[1].name, "without a baseline, the second best"
    with pytest.raises(UsageError, match="against='dreamrec' is not compared"):
        compared(trained, against="dreamrec")


def test_another_protocol_is_another_comparison(trained):
    compared(trained, "sasrec", "mostpop")
    sampled, evaluated, _ = compared(trained, "sasrec", "mostpop", evaluation=EvaluationOptions(negatives=9, seed=3))
    assert (sampled.protocol, evaluated) == ("loo/sampled-9/test", ["sasrec", "mostpop"])
    assert sampled.negatives_source == "drawn with seed 3"
    valid, _, _ = compared(trained, "sasrec", "mostpop", evaluation=EvaluationOptions(part="valid", mask_seen=True))
    assert valid.protocol == "loo/full/valid/mask-seen"


def test_what_has_changed_is_evaluated_again_or_left_out(own):
    compared(own, "sasrec", "gru4rec")
    train("tiny", model_name="gru4rec", workspace=own, experiment=options("gru4rec", 2))
    found, evaluated, _ = compared(own, "sasrec", "gru4rec", evaluate=False)
    assert ([model.name for model in found.models], evaluated) == (["sasrec"], [])
    assert found.left_out == ["gru4rec is left out: it is not evaluated so, or has changed since"]
    _, evaluated, _ = compared(own, "sasrec", "gru4rec")
    assert evaluated == ["gru4rec"]
    (own / "tiny/reports/sasrec-train-loo-full-test.ranks.parquet").write_bytes(b"PAR1")
    _, evaluated, _ = compared(own, "sasrec", "gru4rec")
    assert evaluated == ["sasrec"]
    with pytest.raises(ArtifactError, match="nothing to compare"):
        compared(own, "sasrec", evaluate=False, evaluation=EvaluationOptions(negatives=33))


def test_figures_of_different_protocols_are_refused(trained):
    def made(**more):
        return read_evaluation(Path(evaluate("mostpop", workspace=trained, options=EvaluationOptions(**more)).path))

    reports = [made(), made(negatives=9), made(negatives=9, seed=1), made(part="valid")]
    full, sampled, other_draw, valid = reports
    ranks = read_ranks(Path(full.path))
    require_comparable([full, dataclasses.replace(full, model="other")], [ranks, ranks])
    for other in (sampled, valid):
        with pytest.raises(UsageError, match=f"different protocols .* {full.protocol}, .* {other.protocol}"):
            require_comparable([full, other], [ranks, ranks])
    with pytest.raises(UsageError, match="against different items"):
        require_comparable([sampled, other_draw], [ranks, ranks])
    with pytest.raises(UsageError, match="on different data"):
        require_comparable([full, dataclasses.replace(full, sequences_sha256="0" * 64)], [ranks, ranks])
    with pytest.raises(UsageError, match="the same users"):
        require_comparable([full, full], [ranks, dataclasses.replace(ranks, users=ranks.users + 1)])


def test_a_model_of_other_items_is_left_out_unless_it_is_named(own, tmp_path):
    write_interactions(tmp_path / "tiny.csv", users=60, items=30, seed=4)
    preprocess(str(tmp_path / "tiny.csv"), workspace=own, options=PreprocessOptions(max_loss=1))
    train("tiny", model_name="gru4rec", workspace=own, experiment=options("gru4rec", 1))
    found, _, _ = compared(own)
    assert {model.name for model in found.models} == {"gru4rec", "mostpop"}
    assert ["trained on other items" in reason for reason in found.left_out] == [True, True]
    with pytest.raises(ArtifactError, match="trained on other items"):
        compared(own, "sasrec", "gru4rec")


@pytest.mark.parametrize(
    ("models", "message"),
    [(["bert4rec"], "unknown model 'bert4rec'"), (["adrec/third"], "adrec has no stage 'third'"),
     (["sasrec", "sasrec"], "names sasrec twice"), (["mostpop/train"], "mostpop has no stage")],
)  # fmt: skip
def test_unknown_names_are_refused(trained, models, message):
    with pytest.raises(UsageError, match=message):
        compared(trained, *models)


def test_wrong_options_are_refused(trained):
    with pytest.raises(UsageError, match="unknown metric 'auc'"):
        CompareOptions(metrics=("auc",))
    with pytest.raises(UsageError, match="not among models="):
        CompareOptions(models=("sasrec",), against="adrec")
    with pytest.raises(UsageError, match="for seeds="):
        compared(trained, "sasrec", experiment=ExperimentOptions(preset="paper"))
    with pytest.raises(ArtifactError, match="dreamrec is not trained on tiny"):
        compared(trained, "dreamrec")


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name[0] != "."}


@pytest.mark.thorough
def test_seeds_are_trained_beside_the_model_and_averaged(own):
    before = files(own / "tiny/sasrec")
    main_report = evaluate(str(own / "tiny/sasrec/train.safetensors"), workspace=own)
    found, _, events = compared(own, "sasrec", "gru4rec", "mostpop", seeds=3)
    assert files(own / "tiny/sasrec") == before, "the model itself is not touched"
    assert read_evaluation(Path(main_report.path)) == main_report
    folders = [own / f"tiny/sasrec/seed-{seed}" for seed in (7, 8, 9)]
    assert (folders[0] / "train.safetensors").read_bytes() == (own / "tiny/sasrec/train.safetensors").read_bytes()
    started = [event.path.parent for event in events if isinstance(event, StageStarted)]
    assert folders[0] not in started, "the seed it was trained with is taken over"
    assert folders[1] in started
    metadata = read_metadata(folders[2] / "train.safetensors")
    assert (metadata.seed, metadata.config["hidden_size"]) == (9, 8), "with the options it was trained with"
    of_seed = evaluate(str(folders[1] / "train.safetensors"), workspace=own)
    assert Path(of_seed.path).name == "sasrec-train-seed-8-loo-full-test.json"
    by_name = {model.name: model for model in found.models}
    sasrec = by_name["sasrec"]
    assert of_seed.path in sasrec.reports
    assert sasrec.seeds == [7, 8, 9]
    single = [read_evaluation(Path(path)).metrics["ndcg@10"] for path in sasrec.reports]
    assert len(set(single)) == 3
    assert sasrec.metrics["ndcg@10"] == pytest.approx(np.mean(single))
    assert sasrec.spread["ndcg@10"] == pytest.approx(np.std(single, ddof=1))
    low, high = sasrec.intervals["ndcg@10"]
    assert low < sasrec.metrics["ndcg@10"] < high
    assert set(sasrec.metrics) == set(metric_names())
    assert (by_name["mostpop"].seeds, by_name["mostpop"].spread) == ([], {})
    other = next(model for model in found.models if model.name not in (found.reference, "mostpop"))
    reference = by_name[found.reference]
    means = other.metrics["ndcg@10"] - reference.metrics["ndcg@10"]
    assert other.differences["ndcg@10"].value == pytest.approx(means)
    again, evaluated, events = compared(own, "sasrec", "gru4rec", "mostpop", seeds=3)
    assert again == dataclasses.replace(found, models=again.models)
    assert ([model.metrics for model in again.models], evaluated) == ([model.metrics for model in found.models], [])
    assert not [event for event in events if isinstance(event, StageStarted)]


def test_seeds_of_a_model_that_is_not_there_are_trained_with_what_is_asked_for(own):
    asked = ExperimentOptions(
        overrides={"model": {"hidden_size": 8, "diffusion_steps": 4}, "stages": {"train": {"epochs": 1}}}
    )
    found, _, _ = compared(own, "dreamrec", seeds=2, experiment=asked)
    assert found.models[0].seeds == [42, 43]
    assert not (own / "tiny/dreamrec/train.safetensors").exists()
    assert read_metadata(own / "tiny/dreamrec/seed-43/train.safetensors").config["diffusion_steps"] == 4


def test_a_stage_of_several_is_trained_up_to_there(own):
    found, _, _ = compared(own, "adrec/pretrain", seeds=2)
    assert found.models[0].stage == "pretrain"
    assert (own / "tiny/adrec/seed-2/pretrain.safetensors").exists()
    assert not (own / "tiny/adrec/seed-2/finetune.safetensors").exists()


def test_an_interrupted_comparison_goes_on(own):
    stop = StopRequest()

    def interrupt(event: object) -> None:
        if isinstance(event, EpochDone) and event.epoch == 2:
            stop.signal_number = 2

    chosen = CompareOptions(models=("sasrec",), seeds=2)
    with pytest.raises(InterruptedRun):
        compare("tiny", workspace=own, options=chosen, work=Work(stop=stop, on_event=interrupt))
    assert (own / "tiny/sasrec/seed-8/train.state.safetensors").exists()
    assert "tiny/sasrec/seed-8/train.state.safetensors" in {verdict.path for verdict in verify(own).verdicts}
    assert removable(own) == [], "an unfinished training goes on"
    events = []
    compare("tiny", workspace=own, options=chosen, work=Work(on_event=events.append))
    assert [event.resumed_epoch for event in events if isinstance(event, StageStarted)] == [2]
    assert "tiny/sasrec/seed-8/train.safetensors" in {verdict.path for verdict in verify(own).verdicts}
    assert verify(own).damaged == []


def test_one_at_a_time_trains_a_seed(own):
    with exclusive(own / "tiny/sasrec/seed-8", "compare tiny"), pytest.raises(LockedError, match="seed-8"):
        compared(own, "sasrec", seeds=2)
    # A training of the model itself is in nobody's way.
    with exclusive(own / "tiny/sasrec", "train tiny"):
        compared(own, "sasrec", seeds=1)


def test_a_model_that_went_on_from_another_begins_afresh_with_each_seed(own):
    stages = {name: {"fresh": []} for name in ("pretrain", "align", "finetune")}
    train("tiny", workspace=own, experiment=ExperimentOptions(overrides=merge(TINY, {"stages": stages})))
    compared(own, "adrec", seeds=1)
    found = read_metadata(own / "tiny/adrec/seed-1/align.safetensors").training["stages"]
    assert found["align"]["fresh"] == ["adm"]


def test_training_time_comes_from_the_log_of_that_training(own):
    path = own / "tiny/sasrec/train.safetensors"
    log = path.with_suffix(".jsonl")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    total, processor = (sum(row[name] for row in rows) for name in ("seconds", "processor_seconds"))
    assert processor > 0
    costs = stage_costs(path, read_metadata(path))
    assert costs is not None
    assert costs == TrainingCosts(epochs=len(rows), seconds=total, processor_seconds=processor)
    stages = [own / f"tiny/adrec/{name}.safetensors" for name in ("pretrain", "align", "finetune")]
    three = [stage_costs(stage, read_metadata(stage)) for stage in stages]
    found, _, _ = compared(own, "sasrec", "adrec")
    by_name = {model.name: model for model in found.models}
    ours, theirs = by_name["adrec"], by_name["sasrec"]
    assert (theirs.training_seconds, theirs.processor_seconds, theirs.epochs) == (total, processor, len(rows))
    assert ours.training_seconds == pytest.approx(sum(one.seconds for one in three if one))
    assert ours.processor_seconds == pytest.approx(sum(one.processor_seconds or -1 for one in three if one))
    assert ours.epochs == sum(one.epochs for one in three if one)
    # A log of an earlier version does not tell the processor's time.
    earlier = [{name: value for name, value in row.items() if name != "processor_seconds"} for row in rows]
    log.write_text("".join(json.dumps(row) + "\n" for row in earlier))
    assert stage_costs(path, read_metadata(path)) == dataclasses.replace(costs, processor_seconds=None)
    # A later training was stopped and left its log beside the older checkpoint.
    log.write_text("".join(json.dumps({**row, "valid": {"ndcg@10": 0.0}}) + "\n" for row in rows))
    assert stage_costs(path, read_metadata(path)) is None
    log.unlink()
    assert {model.name: model.training_seconds for model in compared(own, "sasrec")[0].models} == {"sasrec": None}


def test_what_was_tried_of_each_model_is_told(own):
    folder = own / "tiny/sweeps"
    runs = [{"run": run, "key": "", "value": "", "seed": seed} for run in ("base", "wide", "deep") for seed in (1, 2)]
    record = SweepRecord(
        dataset="tiny", model="sasrec", name="widths", command="", monitor="ndcg@10", sequences_sha256="", base={},
        base_values={}, runs=runs,
    )  # fmt: skip
    write_sweep(folder / "widths", record, pl.DataFrame(schema=RESULT_COLUMNS))
    about = {"model": "adrec", "trials": "trials-1.jsonl"}
    (folder / "tune").mkdir()
    (folder / "tune/search.json").write_text(json.dumps({**about, "search_sha256": content_sha256(about)}))
    trials = [Trial(number=n, chosen={}, state="done", value=0.1, epochs={}, seconds=1.0) for n in (1, 2)]
    write_trials(folder / "tune/trials-1.jsonl", trials)
    found, _, _ = compared(own, "sasrec", "adrec", "mostpop")
    assert {model.name: model.tried for model in found.models} == {"sasrec": 3, "adrec": 2, "mostpop": 0}
    assert found.left_out == []
    (folder / "tune/search.json").write_text("{}")
    found, _, _ = compared(own, "sasrec", "adrec")
    assert {model.name: model.tried for model in found.models} == {"sasrec": 3, "adrec": 0}
    assert "search.json" in found.left_out[0]
