"""What cron does to a shop: new data, worse data, a crash in the middle, and going back."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.artifacts.promotion import read_current
from adrec_cli.config import merge
from adrec_cli.errors import ArtifactError, LockedError, NotPromotedError
from adrec_cli.experiments.events import RunStepStarted
from adrec_cli.experiments.experiment import compose
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.warm_start import _find_difference
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.loading.opening import open_dataset
from adrec_cli.pipeline.preprocess import PreprocessOptions
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.pipeline.rollback import rollback, rollback_data
from adrec_cli.pipeline.run import RunOptions, run
from adrec_cli.promotion.options import PromotionOptions
from adrec_cli.promotion.rule import parse_promotion_rules
from tests.conftest import TINY
from tests.robustness.processes import Running, nothing
from tests.tiers import sampled

LEARNING = merge(
    TINY,
    {
        "training": {"batch_size": 32},
        "stages": {
            "pretrain": {"epochs": 8, "learning_rate": 0.01},
            "align": {"epochs": 2, "learning_rate": 0.01},
            "finetune": {"epochs": 4, "learning_rate": 0.005},
        },
    },
)
# For nights of which it does not matter what they learn.
BRIEF = merge(LEARNING, {"stages": {name: {"epochs": 1} for name in ("pretrain", "align", "finetune")}})
RULE = PromotionOptions(rules=parse_promotion_rules("ndcg@10 >= current - 0.002"))
DAY = 86_400


class Shop:
    """A shop whose users mostly buy what follows from what they bought last, and its workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.random = np.random.default_rng(0)
        self.follows = self.random.permutation(40)

    def sells(self, name: str, users: range, *, items: int = 40, day: int, noise: float = 0.1) -> None:
        """Write the log of a day; with all noise nothing follows from anything."""
        while len(self.follows) < items:
            self.follows = np.append(self.follows, len(self.follows))
            self.follows[[-1, -2]] = self.follows[[-2, -1]]
        lines = ["user_id,item_id,timestamp"]
        for user in users:
            item = int(self.random.integers(items))
            for event in range(6):
                lines.append(f"u{user},i{item},{1_600_000_000 + day * DAY + event * 60}")
                follows = self.random.random() >= noise
                item = int(self.follows[item] if follows else self.random.integers(items))
        (self.folder / name).write_text("\n".join(lines) + "\n")

    def night(self, name: str, *, learning=LEARNING, anew=False, **more):
        """Do what cron does."""
        anew = anew or not (self.workspace / "shop").exists()
        update = PreprocessOptions() if anew else PreprocessOptions(update=self.workspace / "shop")
        work = Work(**{name: more.pop(name) for name in ("options", "on_event") if name in more})
        options = RunOptions(
            preprocessing=update, experiment=ExperimentOptions(overrides=learning), **{"promotion": RULE, **more}
        )
        return run(str(self.folder / name), workspace=self.workspace, options=options, work=work)

    @property
    def model_folder(self) -> Path:
        return self.workspace / "shop/adrec"

    def serves(self) -> str:
        """Return the hash of the model that recommends, which must not be a wrong one."""
        found = recommend(users=["u1"], workspace=self.workspace)
        assert found.promoted
        assert len(found.results[0].items) == 10
        return found.checkpoint_sha256


@pytest.fixture(scope="module")
def after_a_night(tmp_path_factory):
    """A shop after its first night, which tests copy."""
    made = Shop(tmp_path_factory.mktemp("shop"))
    made.sells("shop.csv", range(100), day=0)
    made.night("shop.csv")
    return made


@pytest.fixture
def shop(after_a_night, tmp_path):
    """A shop of a test's own after its first night."""
    shutil.copytree(after_a_night.folder, tmp_path, dirs_exist_ok=True)
    own = copy.deepcopy(after_a_night)
    own.folder, own.workspace = tmp_path, tmp_path / "workspace"
    return own


@pytest.mark.thorough
def test_three_nights(shop):
    first = shop.serves()

    # New users, new items, and users who come back.
    shop.sells("tuesday.csv", range(50, 130), items=44, day=1)
    summary = shop.night("tuesday.csv")
    assert (summary.start.known, summary.start.new, summary.start.removed) == (40, 4, 0)
    assert summary.start.checkpoint == f"{first[:16]}.safetensors"
    assert summary.comparison.users == 130
    assert summary.comparison.low <= summary.comparison.difference <= summary.comparison.high
    assert summary.comparison.candidate > summary.comparison.current
    second = shop.serves()
    assert second != first
    assert {step.status for step in shop.night("tuesday.csv").steps} == {"up to date"}

    # Data from which nothing follows, enough to spoil what was known.
    shop.sells("wednesday.csv", range(200, 600), items=44, day=2, noise=1.0)
    for _ in range(2):
        with pytest.raises(NotPromotedError, match=r"the rule is ndcg@10 >= current - 0\.002") as worse:
            shop.night("wednesday.csv")
    assert worse.value.exit_code == 8
    assert shop.serves() == second
    report = json.loads((shop.workspace / "shop/reports/adrec-promotion.json").read_text())
    assert (report["promoted"], report["users"]) == (False, 530)

    # The machine goes down in the middle; the old model serves, and the next night heals.
    shop.sells("thursday.csv", range(600), items=44, day=3)
    killed_in_training(shop, "thursday.csv")
    assert shop.serves() == second
    summary = shop.night("thursday.csv")
    assert {step.status for step in summary.steps[1:]} == {"done"}
    assert shop.serves() not in (first, second)
    assert not [path for path in shop.workspace.rglob("*") if path.suffix == ".tmp"]


def killed_in_training(shop: Shop, name: str) -> None:
    """Run a night in a process of its own and kill it as soon as an epoch is done."""
    settings = [f"--set=model.{key}={value}" for key, value in LEARNING["model"].items()]
    settings += [f"--set=training.{key}={value}" for key, value in LEARNING["training"].items()]
    command = [
        "run", shop.folder / name, "--update", "shop", "--threads", 1, "--workspace", shop.workspace,
        "--epochs", 500, "--patience", 0, *settings,
    ]  # fmt: skip
    running = Running(command, shop.folder, nothing)
    running.until("pretrain   2/500")
    running.send(signal.SIGKILL)
    assert running.ended().exit_code == -signal.SIGKILL


def test_between_preprocessing_and_promotion_the_old_model_serves_with_its_own_items(shop):
    before = recommend(users=["u1"], histories=[["i1", "i2"]], workspace=shop.workspace)
    shop.sells("tuesday.csv", range(200, 230), items=44, day=1)
    seen = []

    def look(event):
        if isinstance(event, RunStepStarted) and event.name == "promote":
            seen.append(recommend(users=["u1"], histories=[["i1", "i2"]], workspace=shop.workspace))

    shop.night("tuesday.csv", on_event=look)
    assert seen == [before]
    # A user and an item that the promoted model has never heard of.
    assert recommend(users=["u210"], workspace=shop.workspace).results[0].source == "model"
    rollback("shop", workspace=shop.workspace)
    assert recommend(users=["u1"], histories=[["i1", "i2"]], workspace=shop.workspace) == before


def test_rows_follow_raw_ids_whatever_their_numbers(shop):
    """A data set made again numbers its items again; vectors follow the ids, and items that left take theirs along."""
    old, _ = load_checkpoint(shop.model_folder / "finetune.safetensors")
    old_ids = item_ids(shop)
    text = (shop.folder / "shop.csv").read_text().replace(",i0,", ",new,").replace(",i7,", ",another,")
    (shop.folder / "shop.csv").write_text(text)
    still = {"stages": {name: {"epochs": 1, "learning_rate": 1e-12} for name in ("pretrain", "align", "finetune")}}
    summary = shop.night(
        "shop.csv", learning=merge(LEARNING, still, {"training": {"weight_decay": 0.0}}),
        promotion=PromotionOptions(tolerance=1.0), anew=True,
    )  # fmt: skip
    assert (summary.start.known, summary.start.new, summary.start.removed) == (38, 2, 2)
    ids = item_ids(shop)
    assert ids[:3] != old_ids[:3]
    new, _ = load_checkpoint(shop.model_folder / "finetune.safetensors")
    for row, item in enumerate(ids, start=1):
        if item in old_ids:
            expected = old["item_embedding.weight"][old_ids.index(item) + 1]
            assert torch.allclose(new["item_embedding.weight"][row], expected, atol=1e-6), item


def item_ids(shop: Shop) -> list[str]:
    return pl.read_parquet(shop.workspace / "shop/items.parquet")["item_id"].to_list()


WIDER = ({"hidden_size": 24}, "hidden_size 16 instead of 24")
TIMED = ({"times": "gaps", "positions": "learned"}, "positions none instead of learned, times none instead of gaps")


@sampled("setting,difference", [WIDER, TIMED], quick=[TIMED])
def test_another_network_starts_from_fresh_weights(shop, setting, difference):
    shop.sells("tuesday.csv", range(50, 130), day=1)
    start = shop.night("tuesday.csv", learning=merge(BRIEF, {"model": setting}), promotion=ANY).start
    assert start.checkpoint is None
    told, _, differences = start.reason.rpartition(": ")
    assert told.endswith("is another network")
    assert sorted(differences.split(", ")) == difference.split(", ")
    start = shop.night("tuesday.csv", learning=BRIEF, cold=True, promotion=ANY).start
    assert (start.checkpoint, start.reason) == (None, "")


@pytest.mark.parametrize(("option", "value"), [("repeats", "learned"), ("times", "gaps"), ("positions", "learned")])
def test_a_checkpoint_of_before_an_option_was_there_is_the_same_network(shop, option, value):
    """What is not given has its default."""
    dataset = open_dataset(shop.workspace / "shop")
    path = shop.model_folder / "finetune.safetensors"
    metadata = read_metadata(path)
    experiment = compose("adrec", inherited=LEARNING)
    older = {name: value for name, value in metadata.config.items() if name != option}
    assert _find_difference(dataclasses.replace(metadata, config=older), dataset, experiment) == ""
    other = compose("adrec", inherited=merge(LEARNING, {"model": {option: value}}))
    told = _find_difference(dataclasses.replace(metadata, config=older), dataset, other)
    assert told == f"is another network: {option} none instead of {value}"


ANY = PromotionOptions(tolerance=1.0, keep=2)


def test_going_back(shop):
    first = shop.serves()
    with pytest.raises(ArtifactError, match="only generation"):
        rollback("shop", workspace=shop.workspace)
    shop.sells("tuesday.csv", range(50, 130), day=1)
    shop.night("tuesday.csv", learning=BRIEF, promotion=ANY)
    second = shop.serves()
    done = rollback("shop", workspace=shop.workspace)
    assert (done.current.sha256, done.withdrawn, done.earlier) == (first, second, 0)
    assert shop.serves() == first
    with pytest.raises(NotPromotedError, match="withdrawn"):
        shop.night("tuesday.csv", learning=BRIEF)
    assert shop.serves() == first
    # Other data give another model, which is promoted again.
    shop.sells("wednesday.csv", range(130), day=2)
    shop.night("wednesday.csv", learning=BRIEF, promotion=ANY)
    assert shop.serves() not in (first, second)
    assert second in read_current(shop.model_folder).withdrawn


@pytest.mark.parametrize("keep", [2, 5], ids=["no other is kept", "one before is kept"])
def test_a_model_of_withdrawn_data_is_neither_started_from_nor_held_against(shop, keep):
    """It has learned from the bad day, and from what is held out again: it would look better than it is."""
    first, any_ = shop.serves(), PromotionOptions(tolerance=1.0, keep=keep)
    shop.sells("tuesday.csv", range(50, 130), day=1)
    shop.night("tuesday.csv", learning=BRIEF, promotion=any_)
    if keep == 2:
        shop.sells("more.csv", range(50, 130), day=2)
        shop.night("more.csv", learning=BRIEF, promotion=any_)
    bad = shop.serves()
    rollback_data("shop", workspace=shop.workspace, to=1)
    shop.sells("wednesday.csv", range(0, 130, 2), day=2)
    night = shop.night("wednesday.csv", learning=BRIEF, promotion=any_)
    because = f"{bad[:16]}.safetensors has learned from data that were withdrawn"
    (warning,) = [line for line in night.warnings if "held against" in line]
    if keep == 2:
        assert (night.start.checkpoint, night.start.reason, night.comparison) == (None, because, None)
        assert warning == f"the new model is held against none: {because}"
    else:
        assert night.start.checkpoint == f"{first[:16]}.safetensors"
        assert (
            warning == f"the new model is held against {first[:16]}.safetensors rather than the current one: {because}"
        )
        assert night.comparison is not None
    again = shop.night("wednesday.csv", learning=BRIEF, promotion=any_)
    assert {step.status for step in again.steps} == {"up to date"}
    shop.sells("thursday.csv", range(0, 130, 2), day=3)
    after = shop.night("thursday.csv", learning=BRIEF, promotion=any_)
    assert after.start.checkpoint == night.current.removeprefix("promoted/")
    assert not [line for line in after.warnings if "held against" in line]


def test_only_so_many_generations_are_kept(shop):
    for day in range(1, 4):
        shop.sells(f"{day}.csv", range(100), day=day)
        shop.night(f"{day}.csv", learning=BRIEF, promotion=ANY)
    current = read_current(shop.model_folder)
    assert len(current.earlier) == 1
    kept = {path.name for path in (shop.model_folder / "promoted").iterdir()}
    stems = [Path(generation.checkpoint).stem for generation in (current, *current.earlier)]
    assert kept == {f"{stem}{suffix}" for stem in stems for suffix in (".safetensors", ".items.parquet")}


def test_a_damaged_generation_is_not_gone_back_to(shop):
    shop.sells("tuesday.csv", range(50, 130), day=1)
    shop.night("tuesday.csv", learning=BRIEF, promotion=ANY)
    second = shop.serves()
    earlier = read_current(shop.model_folder).earlier[0]
    items = (shop.model_folder / earlier.checkpoint).with_suffix(".items.parquet")
    items.write_bytes(items.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="damaged"):
        rollback("shop", workspace=shop.workspace)
    assert shop.serves() == second


def test_exchanged_items_are_never_served(shop):
    current = read_current(shop.model_folder)
    items = (shop.model_folder / current.checkpoint).with_suffix(".items.parquet")
    shop.sells("tuesday.csv", range(50, 130), items=44, day=1)
    shop.night("tuesday.csv")
    newer = (shop.model_folder / read_current(shop.model_folder).checkpoint).with_suffix(".items.parquet")
    newer.write_bytes(items.read_bytes())
    with pytest.raises(ArtifactError, match="is not what"):
        shop.serves()


def test_a_second_run_at_the_same_time_is_locked_out(shop):
    shop.sells("tuesday.csv", range(50, 130), day=1)
    refused = []

    def again(event):
        if isinstance(event, RunStepStarted) and event.name == "promote":
            with pytest.raises(LockedError, match="in use by `adrec run") as locked:
                rollback("shop", workspace=shop.workspace)
            refused.append(locked.value.exit_code)

    shop.night("tuesday.csv", learning=BRIEF, promotion=ANY, on_event=again)
    assert refused == [5]


@pytest.mark.thorough
def test_force_promotes_what_was_withdrawn(shop):
    shop.sells("tuesday.csv", range(50, 130), day=1)
    shop.night("tuesday.csv", learning=BRIEF, promotion=ANY)
    second = shop.serves()
    rollback("shop", workspace=shop.workspace)
    shop.night("tuesday.csv", learning=BRIEF, promotion=ANY, options=ComputeOptions(force=True))
    assert shop.serves() == second, "the same start, data and seed give the same bytes"


NOISE = merge(BRIEF, {"stages": {name: {"learning_rate": 1e-9} for name in ("pretrain", "align", "finetune")}})


def test_a_model_below_most_popular_is_warned_of_and_can_be_refused(tmp_path):
    """Weights that have learned nothing, where every user ends with the same two items."""
    lines = ["user_id,item_id,timestamp"]
    for user in range(60):
        items = [f"i{(user + step) % 30}" for step in range(5)] + ["hit1", "hit2"][:: 1 if user % 2 else -1] * 2
        lines += [f"u{user},{item},{1_600_000_000 + number * 60}" for number, item in enumerate(items)]
    (tmp_path / "shop.csv").write_text("\n".join(lines) + "\n")
    workspace, told = tmp_path / "workspace", []
    options = ExperimentOptions(overrides=NOISE)
    rules = PromotionOptions(rules=parse_promotion_rules("ndcg@10 >= current - 0.9 and ndcg@10 > mostpop"))
    source = str(tmp_path / "shop.csv")
    with pytest.raises(NotPromotedError, match=r"MostPopular's .* the rule is ndcg@10 > mostpop; nothing is promoted"):
        run(
            source,
            workspace=workspace,
            options=RunOptions(experiment=options, promotion=rules),
            work=Work(on_event=told.append),
        )
    assert not (workspace / "shop/adrec/current.json").exists()
    assert any("below MostPopular" in getattr(event, "message", "") for event in told)
    summary = run(source, workspace=workspace, options=RunOptions(experiment=options))
    assert any("below MostPopular" in warning for warning in summary.warnings)
    other = ExperimentOptions(overrides=merge(NOISE, {"training": {"seed": 5}}))
    with pytest.raises(NotPromotedError, match="the rule is ndcg@10 > mostpop"):
        run(source, workspace=workspace, options=RunOptions(experiment=other, promotion=rules))
    report = json.loads((workspace / "shop/reports/adrec-promotion.json").read_text())
    assert [rule["against"] for rule in report["rules"]] == ["current", "mostpop"]
