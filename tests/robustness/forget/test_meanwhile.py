"""What is at work while somebody is forgotten: it waits, is waited for, or learns without them."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.artifacts.lock import exclusive, exclusive_to_learn, exclusive_with_all_inside
from adrec_cli.experiments.stage import run_stage
from adrec_cli.pipeline import forget as pipeline
from tests.extending.conftest import SOURCE
from tests.robustness.forget.conftest import PERSON
from tests.robustness.people import places_of
from tests.robustness.processes import Running


@pytest.mark.parametrize("place", ["shop", "shop/adrec", "shop/sasrec", ".recs.parquet.parts"])
def test_nothing_that_could_write_them_again_is_at_work(shop, place):
    before = places_of(shop.workspace, PERSON)
    with exclusive(shop.workspace / place, "something else"):
        assert "something else" in shop.types("forget", "shop", "--user", PERSON).require_one_error(5)
    assert places_of(shop.workspace, PERSON) == before


def test_a_batch_that_had_read_the_data_before_does_not_write_them(shop, monkeypatch):
    from adrec_cli.pipeline import recommend_batch

    real = recommend_batch._key

    def key(batch, audience):
        assert shop.types("forget", "shop", "--user", PERSON).exit_code == 0
        return real(batch, audience)

    monkeypatch.setattr(recommend_batch, "_key", key)
    line = ["recommend", "--all", "-k", 3, "--threads", 1, "--out"]
    assert "forgotten" in shop.types(*line, shop.workspace / "late.csv").require_one_error(5)
    monkeypatch.undo()
    assert places_of(shop.workspace, PERSON) == set()
    assert shop.types(*line, shop.workspace / "late.csv").exit_code == 0
    assert places_of(shop.workspace, PERSON) == set()


def test_a_batch_that_began_before_is_waited_for(shop):
    """It has its lock between the time that this began and the time that this looks at batches."""
    out, parts = shop.workspace / "late.csv", shop.workspace / ".late.csv.parts"
    told = []

    def write_when_waited_for(event):
        told.append(event.holder)
        out.write_text(f"user_id,item_id\nu1,i1\n{PERSON},i1\n")
        batch.__exit__(None, None, None)

    batch = exclusive(parts, "recommend --out late.csv")
    batch.__enter__()
    (parts / "key").write_text("0" * 64)
    assert out in pipeline._forget_in_batches(shop.workspace, shop.dataset, {PERSON}, set(), write_when_waited_for)
    assert "recommend --out late.csv" in told[0]
    assert out.read_text() == "user_id,item_id\nu1,i1\n"
    assert not parts.exists()


@pytest.mark.parametrize("moment", ["before", "behind"])
def test_an_evaluation_that_had_read_the_data_before_does_not_write_them(shop, monkeypatch, moment):
    from adrec_cli.evaluating import evaluation

    real, done = evaluation.write_evaluation, []

    def write(told, ranks):
        if moment == "behind":
            written = real(told, ranks)
        if not done:
            done.append(shop.types("forget", "shop", "--user", PERSON).exit_code)
        return written if moment == "behind" else real(told, ranks)

    monkeypatch.setattr(evaluation, "write_evaluation", write)
    assert shop.types("evaluate", "mostpop", "--part", "valid", "--threads", 1).exit_code == 0
    assert done == [0]
    assert places_of(shop.workspace, PERSON) == set()
    assert shop.types("verify").exit_code == 0


FLAT = ["--set", "model.hidden_size=8", "--set", "stages.train.epochs=1", "--threads", 1]
LEARNERS = {
    "train": ["train", "shop", "--model", "gru4rec", *FLAT],
    "plugin": ["train", "shop", "--model", "markov", "--plugin", "PLUGIN", *FLAT],
    "sweep": ["sweep", "shop", "--model", "gru4rec", "--vary", "seed=1,2", "--no-picture", *FLAT],
    "tune": ["tune", "shop", "--model", "gru4rec", "--search", "learning_rate=0.1,0.2", "--trials", 2, *FLAT],
    "seeds": ["compare", "shop", "--models", "gru4rec", "--seeds", 2, *FLAT],
}
"""What learns in folders that are not there yet."""
WITHOUT_OPTUNA = pytest.mark.skipif(find_spec("optuna") is None, reason="the extra tune is not installed")
QUICK_LEARNERS = ("seeds",)
EACH_LEARNER = [
    pytest.param(
        name, marks=[WITHOUT_OPTUNA] * (name == "tune") + [pytest.mark.thorough] * (name not in QUICK_LEARNERS)
    )
    for name in LEARNERS
]


def types_learner(shop, name, *more):
    plugin = shop.folder / "my_model.py"
    plugin.write_text(SOURCE)
    return shop.types(*[plugin if word == "PLUGIN" else word for word in LEARNERS[name]], *more)


def sequences_learnt_from(shop):
    """Return the data that whatever was trained besides ADRec has learned from."""
    paths = [path for path in shop.dataset.rglob("*.safetensors") if not path.name.endswith(".state.safetensors")]
    return {load_checkpoint(path)[1].sequences_sha256 for path in paths if "adrec" not in path.parts}


@pytest.mark.parametrize("name", EACH_LEARNER)
def test_nothing_begins_to_learn_while_somebody_is_forgotten(shop, monkeypatch, name):
    real, ended = pipeline._forget, []

    def forget(*arguments):
        ended.append(types_learner(shop, name))
        return real(*arguments)

    monkeypatch.setattr(pipeline, "_forget", forget)
    assert shop.types("forget", "shop", "--user", PERSON).exit_code == 0
    assert "is in use by `adrec forget shop`" in ended[0].require_one_error(5)
    assert sequences_learnt_from(shop) == set()
    assert types_learner(shop, name).exit_code == 0
    assert sequences_learnt_from(shop) == {shop.manifest()["sequences_sha256"]}


@pytest.mark.parametrize("name", EACH_LEARNER)
def test_what_had_read_the_data_before_learns_without_them(shop, monkeypatch, name):
    """The person leaves after the command has read the data and before it has its locks."""
    from adrec_cli.comparing import seeds
    from adrec_cli.pipeline import sweep, train, tune

    done = []

    def lock(*arguments):
        done.append(shop.types("forget", "shop", "--user", PERSON).exit_code)
        return exclusive_to_learn(*arguments)

    for module in (seeds, sweep, train, tune):
        monkeypatch.setattr(module, "exclusive_to_learn", lock)
    ended = types_learner(shop, name)
    assert (done, ended.exit_code) == ([0], 0), ended.stderr
    assert sequences_learnt_from(shop) == {shop.manifest()["sequences_sha256"]}


@pytest.mark.parametrize("name", EACH_LEARNER)
def test_nobody_is_forgotten_under_what_learns(shop, monkeypatch, name):
    from adrec_cli.comparing import seeds
    from adrec_cli.experiments import chain
    from adrec_cli.pipeline import train
    from adrec_cli.sweeping import shared_stages

    before, ended = places_of(shop.workspace, PERSON), []

    def train_stage(*arguments, **options):
        if not ended:
            ended.append(shop.types("forget", "shop", "--user", PERSON))
        return run_stage(*arguments, **options)

    for module in (chain, seeds, shared_stages, train):
        monkeypatch.setattr(module, "run_stage", train_stage)
    assert types_learner(shop, name).exit_code == 0
    assert "is in use by `adrec " in ended[0].require_one_error(5)
    assert before <= places_of(shop.workspace, PERSON)


@pytest.mark.parametrize("name", EACH_LEARNER)
def test_what_waits_for_a_forget_learns_without_them(shop, name):
    """And whoever waits holds nothing that the other one needs."""
    line = [shop.folder / "my_model.py" if word == "PLUGIN" else word for word in LEARNERS[name]]
    (shop.folder / "my_model.py").write_text(SOURCE)
    with exclusive_with_all_inside(shop.dataset, "forget shop"):
        waiting = Running([*line, "--wait", "--workspace", shop.workspace], shop.folder, int)
        waiting.until("waiting for `adrec forget shop`")
        with exclusive(shop.dataset / "gru4rec", "something that the other one needs"):
            pass
    assert waiting.ended().exit_code == 0
