"""A user is forgotten: no trace stays in the workspace, and no later file brings them back."""

from __future__ import annotations

import functools
import json
import shutil
import signal
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.artifacts.item_vectors import read_item_vectors_header
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.data.pending import read_pending
from adrec_cli.errors import DivergedError, Stopped, StorageError, UsageError
from adrec_cli.pipeline import forget as pipeline
from tests.extending.conftest import SOURCE
from tests.robustness.forget.conftest import BATCHES, PERSON, with_person
from tests.robustness.people import places_of
from tests.robustness.processes import typed, typed_here
from tests.robustness.shop import NIGHT, Shop, events_of, write_events
from tests.robustness.test_kill import killed_before_write
from tests.tiers import sampled


def test_nothing_of_a_person_stays(shop):
    before, places = shop.holds(), places_of(shop.workspace, PERSON)
    assert {
        "shop/sequences.parquet", "shop/pending.parquet", "shop/generations/000001/sequences.parquet",
        "shop/generations/000002/sequences.parquet", "recs.parquet", "recs.csv", "shop/recs.jsonl",
        "shop/reports/mostpop-loo-full-test.ranks.parquet",
    } <= places  # fmt: skip
    rows = {name: len(read(shop.workspace / name)) for name in BATCHES}
    done = shop.types("forget", "shop", "--user", PERSON, "--json")
    assert done.exit_code == 0, done.stderr
    assert places_of(shop.workspace, PERSON) == set()
    told = json.loads(done.stdout)
    theirs = Counter({event: count for event, count in before.items() if event[0] == PERSON})
    assert (told["interactions"], told["pending"], told["generations"]) == (sum(theirs.values()), 2, [1, 2])
    assert shop.holds() == before - theirs
    assert {name: len(read(shop.workspace / name)) for name in rows} == {
        name: count - 3 for name, count in rows.items()
    }
    assert shop.types("verify").exit_code == 0
    counts = pl.read_parquet(shop.dataset / "items.parquet")
    assert counts["count"].sum() == pl.read_parquet(shop.dataset / "sequences.parquet")["train_end"].sum()
    assert shop.manifest()["statistics"]["users"] == 40
    assert shop.types("recommend", "--user", "u1", "--threads", 1).exit_code == 0
    assert shop.types("recommend", "--user", PERSON, "--threads", 1).exit_code == 3


def test_a_model_that_is_kept_on_another_disk_has_learned_too(shop, tmp_path):
    """Its folder is a link; it is named, and nobody trains it meanwhile."""
    folders = [path for path in shop.dataset.iterdir() if (path / "promoted").is_dir()]
    assert folders
    for folder in folders:
        folder.rename(tmp_path / folder.name)
        folder.symlink_to(tmp_path / folder.name)
    with exclusive(folders[0], "train shop"):
        assert "is in use by `adrec train shop`" in shop.types("forget", "shop", "--user", PERSON).require_one_error(5)
    done = shop.types("forget", "shop", "--user", PERSON, "--json")
    assert done.exit_code == 0, done.stderr
    named = {Path(one["path"]).parent for one in json.loads(done.stdout)["learnt"]}
    assert {folder / "promoted" for folder in folders} | set(folders) <= named


def test_a_damaged_generation_is_removed_as_nobody_can_say_who_is_in_it(shop):
    path = shop.dataset / "generations/000001/sequences.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = shop.types("forget", "shop", "--user", PERSON, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["generations"], told["damaged"]) == ([2], [1])
    assert "generation 1 was damaged and is removed" in done.stderr
    assert [folder.name for folder in (shop.dataset / "generations").iterdir()] == ["000002"]
    assert places_of(shop.workspace, PERSON) == set()
    assert shop.types("verify").exit_code == 0


def read(path: Path) -> pl.DataFrame:
    return {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".jsonl": pl.read_ndjson}[path.suffix](path)


def test_no_later_file_brings_them_back_and_no_going_back_does(shop):
    assert shop.types("forget", "shop", "--user", PERSON).exit_code == 0
    shop.arrives("day3.csv", with_person(range(20, 40), 3))
    done = typed_here(["run", "shop", "--inbox", shop.inbox, *NIGHT[:-1], "--workspace", shop.workspace])
    assert done.exit_code == 0, done.stderr
    assert "left out: 4 interactions of 1 forgotten user" in done.stderr
    assert not any(user == PERSON for user, _, _ in shop.holds())
    for _ in range(3):
        assert shop.types("rollback", "shop", "--data").exit_code == 0
        assert places_of(shop.workspace, PERSON) == set()
    assert shop.types("preprocess", shop.folder / "shop.csv", "--name", "shop", "--force").exit_code == 0
    assert places_of(shop.workspace, PERSON) == set()


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("{"), Path.unlink], ids=["damaged", "removed"])
@pytest.mark.parametrize("way", ["preprocess", "rollback", "pull"])
def test_a_lost_manifest_brings_nobody_back(shop, tmp_path, spoil, way):
    """Its former data tell who was forgotten."""
    assert shop.types("push", "shop", tmp_path / "place").exit_code == 0
    assert shop.types("forget", "shop", "--user", PERSON).exit_code == 0
    spoil(shop.dataset / "manifest.json")
    line = {
        "preprocess": ["preprocess", shop.folder / "shop.csv", "--name", "shop", "--force"],
        "rollback": ["rollback", "shop", "--data"], "pull": ["pull", tmp_path / "place", "shop", "--force"],
    }[way]  # fmt: skip
    done = shop.types(*line)
    if way == "pull":
        assert "forgotten in shop here" in done.require_one_error(4)
        return
    assert done.exit_code == 0, done.stderr
    assert PERSON not in {user for user, _, _ in shop.holds()}
    assert len(shop.manifest()["forgotten"]["users"]) == 1
    shop.arrives("day9.csv", with_person(range(20), 9))
    assert shop.night().exit_code == 0
    assert PERSON not in {user for user, _, _ in shop.holds()}


def test_where_nothing_tells_who_was_forgotten_that_is_said(shop):
    assert shop.types("forget", "shop", "--user", PERSON).exit_code == 0
    shutil.rmtree(shop.dataset / "generations")
    (shop.dataset / "manifest.json").write_text("{")
    done = shop.types("preprocess", shop.folder / "shop.csv", "--name", "shop", "--force")
    assert done.exit_code == 0, done.stderr
    assert "nobody knows who was forgotten" in done.stderr


def test_only_a_salted_hash_is_recorded(shop, tmp_path):
    assert shop.types("forget", "shop", "--user", PERSON).exit_code == 0
    manifest = (shop.dataset / "manifest.json").read_text()
    assert PERSON not in manifest
    other = Shop(tmp_path / "other")
    other.makes()
    assert other.types("forget", "shop", "--user", PERSON).exit_code == 0
    ours, theirs = json.loads(manifest)["forgotten"], other.manifest()["forgotten"]
    assert len(ours["users"]) == len(theirs["users"]) == 1
    assert not set(ours["users"]) & set(theirs["users"]), "each data set has a salt of its own"


def test_models_that_have_learnt_are_named_and_trained_again(shop):
    done = shop.types("forget", "shop", "--user", PERSON)
    assert "adrec/finetune.safetensors has learned from users who were forgotten" in done.stderr.replace("\n", "")
    assert "promoted" in done.stderr
    before = json.loads((shop.dataset / "adrec/current.json").read_text())
    verdicts = json.loads(shop.types("verify", "--json").stdout)["verdicts"]
    assert any("forgotten" in one["detail"] and "--retrain" in one["repair"] for one in verdicts)
    done = shop.types("forget", "shop", "--retrain", "--threads", 1)
    assert done.exit_code == 0, done.stderr
    after = json.loads((shop.dataset / "adrec/current.json").read_text())
    assert after["sha256"] != before["sha256"]
    assert after["earlier"] == []
    assert "trained again: adrec" in done.stdout
    assert "has learnt" not in done.stderr
    _, said = load_checkpoint(shop.dataset / "adrec/pretrain.safetensors")
    assert said.parent_sha256 == "", "from fresh weights"
    assert said.config["hidden_size"] == 8, "with the options it had"
    assert said.sequences_sha256 == shop.manifest()["sequences_sha256"]
    assert shop.types("verify").exit_code == 0


def test_what_a_model_learned_of_a_user_is_known_when_the_one_it_started_from_is_gone(shop):
    """Night after night goes on from the last one's model, of which a few are kept."""
    assert shop.types("forget", "shop", "--user", PERSON).exit_code == 0
    for day in (3, 4):
        shop.arrives(f"day{day}.csv", events_of(range(10), day))
        assert shop.night("--keep", 2).exit_code == 0
    current = json.loads((shop.dataset / "adrec/current.json").read_text())
    assert len(current["earlier"]) == 1, "the model that learned from them itself is kept no longer"
    told = json.loads(shop.types("status", "--json").stdout)["datasets"][0]["models"][0]
    assert "forgotten" in told["detail"]
    verdicts = {one["path"]: one for one in json.loads(shop.types("verify", "--json").stdout)["verdicts"]}
    assert "forgotten" in verdicts["shop/adrec/finetune.safetensors"]["detail"]
    done = shop.types("forget", "shop", "--retrain", "--threads", 1, "--json")
    assert json.loads(done.stdout)["retrained"] == ["adrec"], done.stderr
    _, said = load_checkpoint(shop.dataset / "adrec/finetune.safetensors")
    assert said.all_sequences == {shop.manifest()["sequences_sha256"]}


@pytest.mark.thorough
def test_a_sweep_alone_makes_no_model_be_trained_again(shop):
    line = ["--model", "gru4rec", "--set", "model.hidden_size=8", "--epochs", 1, "--threads", 1]
    assert shop.types("sweep", "shop", "--vary", "dropout=0.1", "--no-picture", *line).exit_code == 0
    for retrained in (["adrec"], []):
        done = shop.types("forget", "shop", "--user", PERSON, "--retrain", "--threads", 1, "--json")
        account = json.loads(done.stdout)
        assert account["retrained"] == retrained
        assert {one["model"] for one in account["learnt"]} == {"gru4rec"}
        assert "adrec forget" not in done.stderr
    repairs = {one["repair"] for one in json.loads(shop.types("verify", "--json").stdout)["verdicts"]}
    assert "remove its folder" in repairs
    assert not any("--retrain" in one for one in repairs)


def test_what_encoders_have_learned_of_a_user_goes_before_models_are_trained_again(shop):
    """Also where vectors were made again since, in the space of before."""
    pytest.importorskip("sklearn", reason="the extra text is not installed")
    assert shop.types("encode", "shop", "--encoder", "cooccurrence").exit_code == 0
    content = ["--set", "model.content=sum"]
    assert shop.night(*content, "--force").exit_code == 0
    assert shop.types("forget", "shop", "--user", PERSON).exit_code == 0
    shop.arrives("day3.csv", events_of(range(10), 3))
    assert shop.night(*content).exit_code == 0
    kept = read_item_vectors_header(shop.dataset)
    done = shop.types("forget", "shop", "--retrain", "--threads", 1)
    assert done.exit_code == 0, done.stderr
    assert "trained again: adrec" in done.stdout
    made = read_item_vectors_header(shop.dataset)
    assert made.encoders_sha256 != kept.encoders_sha256
    assert shop.types("encode", "shop", "--encoder", "cooccurrence").exit_code == 0
    assert read_item_vectors_header(shop.dataset) == made, "as if they had never been there"
    _, said = load_checkpoint(shop.dataset / "adrec/pretrain.safetensors")
    assert said.content["encoders_sha256"] == made.encoders_sha256


def test_a_model_of_a_plugin_that_is_gone_is_named_after_the_account(shop):
    plugin = shop.folder / "my_model.py"
    plugin.write_text(SOURCE)
    line = ["--model", "markov", "--plugin", plugin, "--epochs", 1, "--threads", 1, "--set", "model.hidden_size=8"]
    assert shop.types("train", "shop", *line).exit_code == 0
    done = shop.types("forget", "shop", "--user", PERSON, "--retrain", "--threads", 1, "--json")
    assert "markov: " in done.require_one_error(4)
    assert "--plugin my_model.py" in done.stderr
    account = json.loads(done.stdout)
    assert account["interactions"] > 0
    assert account["retrained"] == ["adrec"]
    assert [(one["name"], one["exit_code"]) for one in account["not_retrained"]] == [("markov", 4)]
    assert places_of(shop.workspace, PERSON) == set()
    done = shop.types("forget", "shop", "--retrain", "--threads", 1, "--plugin", plugin)
    assert done.exit_code == 0, done.stderr
    assert "trained again: markov" in done.stdout


@sampled(
    "error,code",
    {
        type(error).__name__: (error, code)
        for error, code in (
            (DivergedError("not finite"), 6),
            (UsageError("the metric 'x' of y cannot be loaded"), 2),
            (StorageError("no space"), 7),
            (Stopped("stopped", signal_number=15, hint="again"), 143),
            (KeyboardInterrupt(), 130),
            (ZeroDivisionError("a bug"), 1),
        )
    },
    quick=["DivergedError", "Stopped", "ZeroDivisionError"],
)
def test_however_a_training_ends_who_is_gone_is_said(shop, monkeypatch, error, code):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(pipeline, "train_stages", fail)
    done = shop.types("forget", "shop", "--user", PERSON, "--retrain", "--threads", 1)
    assert done.exit_code == code, done.stderr
    assert done.stdout.count("1 user of shop forgotten: ") == 1
    assert places_of(shop.workspace, PERSON) == set()


def test_the_same_id_in_another_data_set_is_another_person(shop):
    write_events(shop.folder / "other.csv", with_person(range(30), 0))
    assert shop.types("run", shop.folder / "other.csv", *NIGHT).exit_code == 0
    line = ["recommend", "--all", "-k", 3, "--dataset", "other", "--threads", 1, "--out"]
    for name in ("others.parquet", "others.csv", "others.jsonl"):
        assert shop.types(*line, shop.workspace / name).exit_code == 0
    before = {name for name in places_of(shop.workspace, PERSON) if name.startswith("other")}
    assert len(before) >= 5
    assert shop.types("forget", "shop", "--user", PERSON).exit_code == 0
    assert places_of(shop.workspace, PERSON) == before


def test_who_was_never_here_is_kept_away_too(shop):
    done = shop.types("forget", "shop", "--user", "nobody-yet", "--user", "u1")
    assert done.exit_code == 0
    shop.arrives("day3.csv", [*events_of(range(20, 40), 3), ("nobody-yet", "i1", 1_600_500_000)])
    assert shop.night().exit_code == 0
    assert not {"nobody-yet", "u1"} & {user for user, _, _ in shop.holds()}


@pytest.mark.parametrize("more", [[], ["--user", PERSON], ["--retrain"]])
def test_an_empty_id_names_nobody(shop, more):
    before = places_of(shop.workspace, PERSON)
    for empty in ("", "  "):
        assert "empty id" in shop.types("forget", "shop", "--user", empty, *more).require_one_error(2)
    assert (places_of(shop.workspace, PERSON), shop.manifest()["forgotten"]) == (before, {})


def test_a_list_of_users(shop, tmp_path):
    (tmp_path / "leavers.csv").write_text("user_id\nu1\nu2\n")
    assert shop.types("forget", "shop", "--users", tmp_path / "leavers.csv").exit_code == 0
    assert not {"u1", "u2"} & {user for user, _, _ in shop.holds()}
    shop.types("forget", "shop").require_one_error(2)
    (tmp_path / "all.csv").write_text("user_id\n" + "".join(f"{user}\n" for user in {e[0] for e in shop.holds()}))
    before = shop.holds()
    assert "nobody" in shop.types("forget", "shop", "--users", tmp_path / "all.csv").require_one_error(3)
    assert shop.holds() == before


def test_going_back_behind_a_killed_forget_brings_nobody_back(shop, monkeypatch):
    """The data set is without them, and who left is recorded; the former generations still hold them."""

    def end(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "making_generation", end)
    assert shop.types("forget", "shop", "--user", PERSON).exit_code == 130
    monkeypatch.undo()
    assert any("sequences" in place for place in places_of(shop.dataset / "generations", PERSON))
    assert "who were forgotten are still in it" in shop.types("verify", "--json").stdout
    for _ in range(2):
        before = shop.holds()
        assert shop.types("rollback", "shop", "--data").exit_code == 0
        assert shop.holds() != before
        assert not any(user == PERSON for user, _, _ in shop.holds())
        assert PERSON not in read_pending(shop.dataset / "pending.parquet").interactions.user_ids.to_list()
    assert shop.types("forget", "shop", "--user", PERSON).exit_code == 0
    assert "still in it" not in shop.types("verify", "--json").stdout


@pytest.mark.thorough
@pytest.mark.parametrize("every", [19, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "each"])
def test_killed_half_way_the_same_command_goes_on(shop, tmp_path, every):

    line = ["forget", "shop", "--user", PERSON]
    kept, step = tmp_path / "kept", 0
    shutil.copytree(shop.workspace, kept)
    while True:
        shutil.rmtree(shop.workspace)
        shutil.copytree(kept, shop.workspace)
        killed = functools.partial(killed_before_write, step)
        ended = typed([*line, "--workspace", shop.workspace], tmp_path, killed)
        if ended.exit_code != -signal.SIGKILL:
            break
        assert shop.types("verify").exit_code == 0
        assert shop.types("recommend", "--user", "u1", "--threads", 1).exit_code == 0
        assert shop.types(*line).exit_code == 0
        assert places_of(shop.workspace, PERSON) == set()
        assert shop.types("verify").exit_code == 0
        step += every
    assert step > 50


def test_ids_as_the_data_set_has_them(tmp_path):
    """Whole numbers written as 42.0 are the user 42."""
    shop = Shop(tmp_path)
    path = tmp_path / "shop.csv"
    lines = [f"{user},i{event},{1_600_000_000 + event}" for user in range(40, 60) for event in range(5)]
    path.write_text("user_id,item_id,timestamp\n" + "\n".join(lines) + "\n")
    assert shop.types("preprocess", path).exit_code == 0
    assert shop.types("forget", "--user", 42).exit_code == 0
    path.write_text("user_id,item_id,timestamp\n" + "\n".join(line.replace(",i", ".0,i") for line in lines) + "\n")
    assert shop.types("preprocess", path, "--update", "shop").exit_code == 0
    assert "42" not in {user for user, _, _ in shop.holds()}
