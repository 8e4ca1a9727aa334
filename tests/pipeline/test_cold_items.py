"""Items that never occur in train, from `--split cold-items` to `--protocol cold-items`: content finds them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.artifacts.evaluation import ranks_path
from adrec_cli.artifacts.ranks import CANDIDATES
from adrec_cli.content.options import EncodeOptions
from adrec_cli.errors import InputError, UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.validation import choose_monitored_rivals, name_monitored_protocol
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.loading.opening import open_dataset
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.evaluate import evaluate
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train
from adrec_cli.ranking.protocols import select_cases
from tests.robustness.processes import typed_here

GROUPS, ITEMS = 8, 160


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users who buy within one group of items, which a column names; a tenth of the items is held out."""
    folder = tmp_path_factory.mktemp("cold")
    rng = np.random.default_rng(0)
    rows = []
    for user in range(400):
        group = rng.integers(GROUPS)
        for time in range(8):
            item = group + GROUPS * rng.integers(ITEMS // GROUPS)
            rows.append({"user_id": f"u{user}", "item_id": f"i{item}", "timestamp": 1_600_000_000 + time * 3600})
    pl.DataFrame(rows).write_csv(folder / "shop.csv")
    items = [{"item_id": f"i{item}", "category": f"g{item % GROUPS}"} for item in range(ITEMS)]
    pl.DataFrame(items).write_csv(folder / "items.csv")
    options = PreprocessOptions(items=folder / "items.csv", split="cold-items")
    preprocess(str(folder / "shop.csv"), workspace=folder / "ws", options=options)
    encode(workspace=folder / "ws", options=EncodeOptions(encoders=("categories",)))
    for content in ("only", "none"):
        model = {"content": content, "hidden_size": 16, "heads": 2, "max_length": 8}
        stage = {"epochs": 8, "learning_rate": 5e-3}
        tables = {"model": model, "training": {"batch_size": 64}, "stages": {"train": stage}}
        experiment, work = ExperimentOptions(overrides=tables), Work(options=ComputeOptions(threads=1))
        result = train("shop", model_name="sasrec", workspace=folder / "ws", experiment=experiment, work=work)
        result[-1].path.rename(result[-1].path.with_name(f"{content}.safetensors"))
    return folder / "ws"


def test_no_event_of_a_held_out_item_is_in_train(shop: Path) -> None:
    dataset = open_dataset(shop / "shop")
    counts = dataset.items["count"].to_numpy()
    cold = set((np.flatnonzero(counts == 0) + 1).tolist())
    assert 5 <= len(cold) <= 30
    for user in range(dataset.sequences.users):
        events, end = dataset.sequences.history(user), dataset.sequences.train_end[user]
        assert not cold & set(events[:end].tolist())
        assert set(events[end:].tolist()) <= cold


def test_content_finds_items_that_nobody_has_bought(shop: Path) -> None:
    options = EvaluationOptions(protocol="cold-items", threads=1)
    found = {name: evaluate(f"{name}.safetensors", workspace=shop, dataset_name="shop", options=options)
             for name in ("only", "none")}  # fmt: skip
    assert found["only"].protocol == "cold/cold-items/test"
    cold = (open_dataset(shop / "shop").items["count"] == 0).sum()
    ranks = pl.read_parquet(ranks_path(Path(found["only"].path)))
    assert (ranks[CANDIDATES] == cold).all()
    assert found["only"].cases == found["only"].cold_targets
    chance = 5 / cold
    # In its group there are few: about two of the cold ones.
    assert found["only"].metrics["hr@5"] > 0.9
    assert found["none"].metrics["hr@5"] < 2 * chance + 0.1


def test_training_keeps_what_is_best_among_cold_items(shop: Path) -> None:
    path = shop / "shop/sasrec/only.safetensors"
    kept = load_checkpoint(path)[1].metrics
    assert kept["protocol"] == "cold/cold-items/valid"
    options = EvaluationOptions(protocol="cold-items", part="valid", threads=1)
    found = evaluate(path.name, workspace=shop, dataset_name="shop", options=options)
    assert kept["values"]["ndcg@10"] == pytest.approx(found.metrics["ndcg@10"], abs=1e-6)
    # Chance has a tenth of it, and among all items it would be next to nothing.
    assert kept["values"]["ndcg@10"] > 0.5
    dataset = open_dataset(shop / "shop")
    drawn = TrainingConfig(monitor_negatives=9)
    assert name_monitored_protocol(dataset, drawn).code == "cold/sampled-9/valid"
    assert choose_monitored_rivals(dataset, select_cases(dataset.sequences, "valid"), drawn).count == 9
    masked = TrainingConfig(monitor_mask_seen=True)
    assert name_monitored_protocol(dataset, masked).code == "cold/cold-items/valid"


def test_among_all_items_they_are_told_by_the_slice(shop: Path) -> None:
    done = typed_here(
        ["evaluate", shop / "shop/sasrec/only.safetensors", "--workspace", shop, "--threads", 1, "--json"]
    )
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["protocol"] == "cold/full/test"
    assert told["slices"]["cold"]["cases"] == told["cases"] == told["cold_targets"]
    assert told["slices"]["warm"]["cases"] == 0


def test_what_does_not_go_together_is_refused(shop: Path, workspace: Path) -> None:
    for more in ({"negatives": 9}, {"mask_seen": True}, {"beyond_accuracy": True}):
        with pytest.raises(UsageError, match="among themselves"):
            EvaluationOptions(protocol="cold-items", **more)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown protocol"):
        EvaluationOptions(protocol="cold")
    with pytest.raises(InputError, match="every target occurs in train"):
        evaluate("mostpop", workspace=workspace, dataset_name="tiny", options=EvaluationOptions(protocol="cold-items"))


def test_it_cannot_be_added_to(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text("user_id,item_id,timestamp\nu1,i3,1700000000\n")
    done = typed_here(["preprocess", tmp_path / "day.csv", "--update", "shop", "--workspace", shop])
    assert "holds out items" in done.require_one_error(2)


@pytest.mark.parametrize("windows", ["newest", "all"])
def test_items_of_valid_and_test_alone_are_never_taken_for_learnt(shop: Path, windows: str) -> None:
    """They would keep a random vector of their own, and compete with what is learned."""
    model = {"content": "sum", "hidden_size": 16, "heads": 2, "max_length": 8}
    tables = {"model": model, "training": {"windows": windows}, "stages": {"train": {"epochs": 1}}}
    done = train("shop", model_name="sasrec", workspace=shop, experiment=ExperimentOptions(overrides=tables),
                 work=Work(options=ComputeOptions(threads=1)))  # fmt: skip
    tensors, _ = load_checkpoint(done[-1].path)
    (learnt,) = [one for name, one in tensors.items() if name.endswith("learnt_V")]
    counts = open_dataset(shop / "shop").items["count"].to_numpy()
    assert (learnt[1:].numpy() == (counts > 0)).all()
    done[-1].path.unlink()
