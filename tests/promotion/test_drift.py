"""What has drifted since the nights before: shares by hand, popularity against chance, and what is warned of."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil

import numpy as np
import polars as pl
import pytest

from adrec_cli.artifacts.nights import Drift, read_nights
from adrec_cli.errors import ArtifactError, NotPromotedError, StorageError
from adrec_cli.experiments.events import Warned
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import Work
from adrec_cli.loading.opening import open_dataset
from adrec_cli.pipeline.preprocess import PreprocessOptions
from adrec_cli.pipeline.run import RunOptions, run
from adrec_cli.promotion import drift
from adrec_cli.promotion.drift import FEWEST_EVENTS, compare_popularity, measure_drift
from adrec_cli.promotion.drift_warnings import warn_of_drift
from adrec_cli.promotion.options import PromotionOptions
from adrec_cli.schema import NIGHTS_FILE
from tests.conftest import write_interactions

NOTHING = Drift(
    new_users=0, new_items=0, popularity_shift=0.3, expected_shift=0.3, metric_change=0.0, nights=2
)  # fmt: skip


def plain_divergence(p, q):
    """The Jensen-Shannon divergence in bits, term by term."""
    p, q = p / p.sum(), q / q.sum()
    terms = [a * math.log2(2 * a / (a + b)) for x, y in ((p, q), (q, p)) for a, b in zip(x, y, strict=True) if a]
    return sum(terms) / 2


def test_popularity_is_held_against_what_chance_does():
    rng = np.random.default_rng(1)
    before = rng.integers(0, 1000, 500).astype(float)
    same = rng.multinomial(300, before / before.sum()).astype(float)
    shift, expected = compare_popularity(before, same)
    assert shift == pytest.approx(plain_divergence(before, same))
    assert shift == pytest.approx(expected, abs=0.05)
    shift, expected = compare_popularity(before, before[::-1].copy() / 100 // 1)
    assert shift > expected + 0.1
    apart = np.repeat([1.0, 0.0], 250)
    assert compare_popularity(apart, 1 - apart)[0] == 1.0
    assert compare_popularity(apart, np.full(500, (FEWEST_EVENTS - 1) / 500)) == (None, None)
    assert compare_popularity(0 * apart, apart) == (None, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"new_users": 0.21}, "21% of the users are new"),
        ({"new_items": 0.5}, "50% of the items are new"),
        ({"popularity_shift": 0.51}, "shifted by 0.51, by chance it would 0.30"),
        ({"popularity_shift": 0.49}, None),
        ({"popularity_shift": None, "expected_shift": None}, None),
        ({"metric_change": -0.25}, "25% below the mean of the last 2 nights"),
        ({"metric_change": -0.25, "nights": 1}, "25% below the last night"),
        ({"metric_change": 0.9}, None),
        ({"metric_change": None}, None),
    ],
)
def test_what_is_above_the_threshold_is_warned_of(change, said):
    found = warn_of_drift(dataclasses.replace(NOTHING, **change), 0.2)
    assert [said in line for line in found] == ([True] if said else [])
    assert warn_of_drift(None, 0.0) == []


@pytest.fixture(scope="module")
def after_a_night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift")
    write_interactions(folder / "shop.csv", users=60)
    run_night(folder)
    return folder


def run_night(folder, source="shop.csv", tell=lambda event: None, **promotion):
    """Run one night of the shop; later ones add a file."""
    dataset = folder / "workspace/shop"
    update = dataset if dataset.exists() and source != "shop.csv" else None
    overrides = {"model": SMALL, "training": {"seed": 1}, "stages": {"train": {"epochs": 1}}}
    return run(
        str(folder / source),
        workspace=folder / "workspace",
        model_name="sasrec",
        options=RunOptions(
            preprocessing=PreprocessOptions(update=update),
            experiment=ExperimentOptions(overrides=overrides),
            promotion=PromotionOptions(**promotion),
        ),
        work=Work(on_event=tell),
    )


SMALL = {"hidden_size": 16, "max_length": 10, "heads": 2}


def test_the_first_night_has_nothing_to_be_held_against_and_is_noted_once(after_a_night):
    (night,) = read_nights(after_a_night / "workspace/shop/sasrec")
    assert (night.outcome, night.drift, night.users) == ("promoted", None, 60)
    again = run_night(after_a_night)
    assert again.drift is None
    assert read_nights(after_a_night / "workspace/shop/sasrec") == [night]


def test_a_night_says_what_is_new_and_how_the_metric_moved(after_a_night, tmp_path):
    shutil.copytree(after_a_night, tmp_path, dirs_exist_ok=True)
    # Users of another name, of the same items.
    lines = (tmp_path / "shop.csv").read_text().splitlines()
    (tmp_path / "more.csv").write_text("\n".join([lines[0], *(f"n{line}" for line in lines[1:600])]))
    told = []
    done = run_night(tmp_path, "more.csv", told.append, tolerance=1.0)
    first, second = read_nights(tmp_path / "workspace/shop/sasrec")
    assert second.drift == done.drift
    assert done.drift.new_users == pytest.approx(1 - first.users / second.users)
    assert done.drift.new_items == 0
    assert done.drift.nights == 1
    assert done.drift.metric_change == pytest.approx((second.value - first.value) / first.value)
    assert [rule["rule"] for rule in second.rules] == ["ndcg@10 >= current - 1"]
    warned = [event.message for event in told if isinstance(event, Warned)]
    assert any("of the users are new" in line for line in warned)
    assert [line for line in warned if "are new" in line] == [line for line in done.warnings if "are new" in line]


@pytest.mark.parametrize("refused", ["open_generation", "read_parquet"])
def test_data_that_cannot_be_read_now_are_no_drift_that_is_none(after_a_night, tmp_path, monkeypatch, refused):
    shutil.copytree(after_a_night, tmp_path, dirs_exist_ok=True)
    lines = (tmp_path / "shop.csv").read_text().splitlines()
    (tmp_path / "more.csv").write_text("\n".join([lines[0], *(f"n{line}" for line in lines[1:600])]))
    real = {"open_generation": drift.open_generation, "read_parquet": pl.read_parquet}[refused]
    errors: list[Exception] = []

    def refuse_once(*given, **named):
        if errors and (refused == "open_generation" or "generations" in str(given[0])):
            raise errors.pop()
        return real(*given, **named)

    monkeypatch.setattr(drift if refused == "open_generation" else pl, refused, refuse_once)
    errors += [StorageError("unreadable")] if refused == "open_generation" else [OSError(5, "Input/output error")]
    with pytest.raises(StorageError):
        run_night(tmp_path, "more.csv", tolerance=1.0)
    assert not errors
    assert len(read_nights(tmp_path / "workspace/shop/sasrec")) == 1
    # The same command goes on, and the night is noted whole; what is gone, or damaged, spoils no night.
    assert run_night(tmp_path, "more.csv", tolerance=1.0).drift.nights == 1
    first, second = read_nights(tmp_path / "workspace/shop/sasrec")
    dataset = open_dataset(tmp_path / "workspace/shop")
    for gone in (FileNotFoundError(2, "No such file"), ArtifactError("damaged"), pl.exceptions.ComputeError("damaged")):
        errors.append(gone)
        assert drift.measure_drift(dataset, second, [first]) is None
    assert drift.measure_drift(dataset, second, [first]) == second.drift


def test_the_metric_is_held_against_the_last_ten_nights_of_the_same_protocol(after_a_night):
    dataset = open_dataset(after_a_night / "workspace/shop")
    (noted,) = read_nights(dataset.folder / "sasrec")
    nights = [
        dataclasses.replace(noted, checkpoint_sha256=f"{number:064}", value=number / 10) for number in range(1, 13)
    ]
    nights.append(dataclasses.replace(nights[-1], protocol="time/full/valid", value=100.0))
    nights.append(dataclasses.replace(nights[-2], checkpoint_sha256="e" * 64, value=None))
    found = measure_drift(dataset, dataclasses.replace(noted, value=1.5), nights)
    assert found is not None
    # The last ten comparable ones: .4 to 1.2, and one in which nothing was measured.
    assert found.nights == 9
    assert found.metric_change == pytest.approx((1.5 - 0.8) / 0.8)
    assert (found.new_users, found.new_items, found.popularity_shift) == (0, 0, None)
    assert measure_drift(dataset, dataclasses.replace(noted, value=None), nights).metric_change is None
    gone = dataclasses.replace(nights[0], sequences_sha256="f" * 64, generation=99)
    assert measure_drift(dataset, noted, [gone]) is None
    assert measure_drift(dataset, noted, [gone, nights[0]]) is not None


def test_rules_that_judged_another_model_are_not_those_of_tonight(after_a_night, tmp_path):
    shutil.copytree(after_a_night, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "workspace/shop"
    decision = {"checkpoint_sha256": "0" * 64, "rules": [{"rule": "another"}]}
    (folder / "reports/sasrec-promotion.json").write_text(json.dumps(decision))
    (folder / "sasrec" / NIGHTS_FILE).unlink()
    run_night(tmp_path)
    (night,) = read_nights(folder / "sasrec")
    assert night.rules == []


def test_a_night_whose_model_is_refused_is_noted_too(after_a_night, tmp_path):
    shutil.copytree(after_a_night, tmp_path, dirs_exist_ok=True)
    write_interactions(tmp_path / "more.csv", users=80, seed=3)
    with pytest.raises(NotPromotedError):
        run_night(tmp_path, "more.csv", tolerance=-1.0)
    last = read_nights(tmp_path / "workspace/shop/sasrec")[-1]
    assert (last.outcome, last.rules[0]["rule"]) == ("not promoted", "ndcg@10 >= current + 1")


def test_notes_that_are_damaged_do_not_spoil_a_night(after_a_night, tmp_path):
    shutil.copytree(after_a_night, tmp_path, dirs_exist_ok=True)
    (tmp_path / "workspace/shop/sasrec" / NIGHTS_FILE).write_text("broken")
    done = run_night(tmp_path)
    assert "this night is not noted" in done.warnings[-1]
    assert (tmp_path / "workspace/shop/sasrec" / NIGHTS_FILE).read_text() == "broken"
