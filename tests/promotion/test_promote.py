"""What becomes current: never nothing, never a file that is gone, and a broken model keeps nobody out."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from adrec_cli.artifacts.promotion import items_beside, read_current
from adrec_cli.errors import ArtifactError, NotPromotedError
from adrec_cli.experiments.experiment import compose
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.loading.opening import Dataset, open_checkpoint, open_dataset
from adrec_cli.pipeline.preprocess import preprocess
from adrec_cli.pipeline.train import train
from adrec_cli.promotion.options import PromotionOptions
from adrec_cli.promotion.promote import Promotion, promote_if_good
from adrec_cli.promotion.rule import parse_promotion_rules
from tests.conftest import write_interactions

SHORT = {
    "model": {"hidden_size": 16, "max_length": 10},
    "training": {"batch_size": 32},
    "stages": {"train": {"epochs": 1}},
}
TRAINING = compose("sasrec", inherited=SHORT).training
MUCH_BETTER = PromotionOptions(rules=parse_promotion_rules("ndcg@10 > current + 0.5"))
ANY = PromotionOptions(tolerance=1.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A workspace with models of the same kind, a.safetensors, b.safetensors and c.safetensors, none promoted."""
    folder = tmp_path_factory.mktemp("promote")
    write_interactions(folder / "shop.csv")
    preprocess(str(folder / "shop.csv"), workspace=folder)
    for seed, name in enumerate("abc"):
        options = ExperimentOptions(overrides={**SHORT, "training": {"batch_size": 32, "seed": seed}})
        train("shop", model_name="sasrec", workspace=folder, experiment=options)
        shutil.copy(folder / "shop/sasrec/train.safetensors", folder / f"shop/sasrec/{name}.safetensors")
    return folder


class Shelf:
    """A data set and the folder of its models."""

    def __init__(self, workspace: Path) -> None:
        self.dataset: Dataset = open_dataset(workspace / "shop")
        self.folder = workspace / "shop/sasrec"
        self.warnings: list[str] = []

    def promote(self, name: str, options: PromotionOptions = ANY, **more) -> Promotion:
        checkpoint = open_checkpoint(self.folder / f"{name}.safetensors", self.dataset)
        return promote_if_good(
            self.dataset,
            checkpoint,
            training=TRAINING,
            options=options,
            device="cpu",
            warn=self.warnings.append,
            **more,
        )

    @property
    def current(self) -> Path:
        return self.folder / read_current(self.folder).checkpoint

    def is_current(self, name: str) -> bool:
        """Whether the promoted copy is whole, with the items it knows beside it."""
        assert items_beside(self.current).read_bytes() == (self.dataset.folder / "items.parquet").read_bytes()
        return self.current.read_bytes() == (self.folder / f"{name}.safetensors").read_bytes()


@pytest.fixture
def shelf(trained, tmp_path) -> Shelf:
    shutil.copytree(trained, tmp_path / "workspace")
    return Shelf(tmp_path / "workspace")


def test_promoting_what_is_current_does_nothing(shelf):
    assert shelf.promote("a").done
    before = (shelf.folder / "current.json").read_bytes()
    assert not shelf.promote("a").done
    assert not shelf.promote("a", MUCH_BETTER).done, "it is held against nothing"
    assert (shelf.folder / "current.json").read_bytes() == before
    assert read_current(shelf.folder).earlier == []


BREAK: dict[str, Callable[[Path], object]] = {
    "model gone": lambda path: path.unlink(),
    "model cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "model empty": lambda path: path.write_bytes(b""),
    "model another": lambda path: shutil.copy(path.parents[1] / "b.safetensors", path),
    "items gone": lambda path: items_beside(path).unlink(),
    "items cut": lambda path: items_beside(path).write_bytes(b"PAR1"),
}


@pytest.mark.parametrize("broken", BREAK)
def test_a_broken_copy_is_made_again_from_the_same_model(shelf, broken):
    """It is not up to date: nobody could be recommended to by it."""
    shelf.promote("a")
    BREAK[broken](shelf.current)
    assert shelf.promote("a").done
    assert shelf.is_current("a")
    assert not shelf.promote("a").done


@pytest.mark.parametrize("broken", [name for name in BREAK if name != "items gone"])
def test_a_broken_current_model_keeps_nobody_out(shelf, broken):
    """Where there is nothing to compare with, the next model takes its place, whatever the rule demands of it."""
    shelf.promote("a")
    with pytest.raises(NotPromotedError, match=r"the rule is ndcg@10 > current \+ 0\.5"):
        shelf.promote("b", MUCH_BETTER)
    assert shelf.is_current("a")
    assert shelf.warnings == []
    BREAK[broken](shelf.current)
    done = shelf.promote("b", MUCH_BETTER)
    assert (done.done, done.comparisons, done.comparison) == (True, (), None)
    assert shelf.is_current("b")
    (warning,) = shelf.warnings
    assert warning.startswith("the new model is held against none: ")
    assert not shelf.promote("b", MUCH_BETTER).done


def test_a_current_model_of_another_cut_is_said_to_know_more(shelf):
    shelf.promote("a")
    manifest = shelf.dataset.manifest
    cut = {**manifest.parameters, "max_length": 3}
    shelf.dataset = dataclasses.replace(
        shelf.dataset, manifest=dataclasses.replace(manifest, parameters=cut, sequences_sha256="f" * 64)
    )
    with pytest.raises(NotPromotedError, match="the current one's") as refused:
        shelf.promote("b", MUCH_BETTER)
    assert "trained on another cut of the data and may have learned from these targets" in refused.value.hint
    (rule,) = re.findall("'(ndcg.*)'", refused.value.hint)
    assert shelf.promote("b", PromotionOptions(rules=parse_promotion_rules(rule))).done


@pytest.mark.parametrize("broken", [name for name in BREAK if name != "items gone"])
def test_the_newest_usable_model_before_a_broken_one_is_what_a_new_one_is_held_against(shelf, broken):
    shelf.promote("b")
    oldest = shelf.current
    shelf.promote("a")
    before = shelf.current.name
    BREAK[broken](shelf.current)
    with pytest.raises(NotPromotedError, match=f"that of {oldest.name} .* the rule is ") as refused:
        shelf.promote("c", MUCH_BETTER)
    assert refused.value.hint == f"go back to {oldest.name}: adrec rollback shop --model sasrec"
    assert shelf.current.name == before
    done = shelf.promote("c")
    assert done.comparison is not None
    assert shelf.is_current("c")
    said = f"the new model is held against {oldest.name} rather than the current one: "
    assert [warning.startswith(said) for warning in shelf.warnings] == [True, True]


@pytest.fixture
def unjudged(shelf) -> Shelf:
    """A shelf on whose data set nothing is held out for validation."""
    content = shelf.dataset.read()
    bounds = dataclasses.replace(content.sequences, train_end=content.sequences.valid_end)
    shelf.dataset = dataclasses.replace(shelf.dataset, read=lambda: dataclasses.replace(content, sequences=bounds))
    return shelf


@pytest.mark.parametrize("rule", ["ndcg@10 >= current - 0.9", "ndcg@10 > mostpop - 0.9"])
def test_a_rule_that_cannot_be_judged_is_not_met(unjudged, rule):
    unjudged.promote("a")
    with pytest.raises(NotPromotedError, match=f"nothing is held out .*{rule[:8]}.*current.json stays"):
        unjudged.promote("b", PromotionOptions(rules=parse_promotion_rules(rule)))
    assert unjudged.is_current("a")
    assert unjudged.warnings == []
    assert unjudged.promote("b").done, "nobody gave a rule"
    assert unjudged.is_current("b")
    assert unjudged.warnings == [
        "nothing is held out for validation, so the new model is not held against the current one"
    ]


def test_the_first_model_is_not_promoted_either_by_a_rule_that_cannot_be_judged(unjudged):
    with pytest.raises(NotPromotedError, match="nothing is promoted"):
        unjudged.promote("a", PromotionOptions(rules=parse_promotion_rules("ndcg@10 > mostpop - 0.9")))
    assert read_current(unjudged.folder) is None
    assert unjudged.promote("a", PromotionOptions(rules=parse_promotion_rules("ndcg@10 > current + 0.9"))).done
    assert unjudged.warnings == []


def test_the_first_model_is_held_against_the_most_popular_alone(shelf):
    rules = parse_promotion_rules("ndcg@10 >= current + 0.5 and ndcg@10 > mostpop + 0.9")
    with pytest.raises(NotPromotedError, match=r"MostPopular's .* nothing is promoted"):
        shelf.promote("a", PromotionOptions(rules=rules))
    assert read_current(shelf.folder) is None
    report = json.loads((shelf.dataset.folder / "reports/sasrec-promotion.json").read_text())
    assert (report["promoted"], [one["against"] for one in report["rules"]]) == (False, ["mostpop"])
    easy = PromotionOptions(rules=parse_promotion_rules("ndcg@10 >= current + 0.5 and ndcg@10 > mostpop - 0.9"))
    done = shelf.promote("a", easy)
    assert ([one.against for one in done.comparisons], done.comparison) == (["mostpop"], None)


def test_what_is_promoted_says_why_and_what_it_was_held_against(shelf):
    shelf.promote("a")
    done = shelf.promote("b", PromotionOptions(tolerance=1.0, keep=2))
    current = read_current(shelf.folder)
    metrics = open_checkpoint(shelf.folder / "b.safetensors", shelf.dataset).metadata.metrics
    assert (current.metric, current.protocol) == (metrics["monitor"], metrics["protocol"])
    assert current.value == metrics["values"][metrics["monitor"]]
    assert done.comparison.difference == pytest.approx(done.comparison.candidate - done.comparison.current)
    assert done.comparison.against == "current"
    assert (done.comparison.level, done.comparison.resamples) == (0.95, 2000)
    assert len(current.earlier) == 1
    shelf.promote("a", PromotionOptions(tolerance=1.0, keep=2))
    assert len(read_current(shelf.folder).earlier) == 1, "two are kept"


def test_items_that_changed_meanwhile_are_not_promoted_with_the_model(shelf):
    """The items beside a model are those it was trained with, byte for byte, or nothing is promoted."""
    shelf.promote("a")
    before = {path: path.read_bytes() for path in sorted(shelf.folder.rglob("*")) if path.is_file()}
    items = shelf.dataset.folder / "items.parquet"
    items.write_bytes(items.read_bytes() + b" ")
    with pytest.raises(ArtifactError, match=r"items\.parquet changed while b\.safetensors was promoted"):
        shelf.promote("b")
    assert {path: path.read_bytes() for path in sorted(shelf.folder.rglob("*")) if path.is_file()} == before


def test_a_model_that_is_not_what_was_judged_is_not_promoted(shelf, monkeypatch):
    """Written by somebody else meanwhile, or damaged on the way."""
    shelf.promote("a")
    copy = shutil.copyfile

    def copy_another(source: Path, target: Path) -> None:
        copy(shelf.folder / "c.safetensors" if source.name == "b.safetensors" else source, target)

    monkeypatch.setattr(shutil, "copyfile", copy_another)
    with pytest.raises(ArtifactError, match=r"b\.safetensors changed while b\.safetensors was promoted"):
        shelf.promote("b")
    assert shelf.is_current("a")
    assert len(list((shelf.folder / "promoted").glob("*.safetensors"))) == 1
    monkeypatch.undo()
    assert shelf.promote("b").done
    assert shelf.is_current("b")
