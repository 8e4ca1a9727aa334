"""Several processes that share an evaluation: the figures and bytes of one, and an end together however it comes."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train
from adrec_cli.training.memory_once import CAN_BE_SHARED
from tests.conftest import TINY, write_interactions
from tests.evaluating.faults import (
    download_once,
    fail_at_the_third_batch,
    fill_the_disk,
    know_other_code,
    note_readers,
    run_out_of_memory_together,
    show_progress,
    slowly,
    small_batches,
    spoil_representations,
)
from tests.robustness.processes import artifacts, typed
from tests.robustness.several import begun, codes, kill_one, typed_by

CASES = {
    "all items": ["finetune"],
    "unseen": ["finetune", "--part", "valid", "--mask-seen", "--beyond-accuracy"],
    "drawn": ["finetune", "--negatives", "9", "--seed", "4"],
    "of a file": ["finetune", "--negatives", "FILE"],
    "several samples": ["finetune", "--samples", "3", "--temperature", "1.5", "--steps", "2", "--beyond-accuracy"],
    "mean of samples": ["finetune", "--samples", "2", "--temperature", "1.5", "--merge", "mean-score"],
    "popular": ["mostpop", "--dataset", "shop", "--beyond-accuracy"],
    "several of a user": ["mostpop", "--dataset", "timed"],
    "cold items": ["mostpop", "--dataset", "cold", "--protocol", "cold-items"],
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a diffusion model of items that have categories, and two data sets that are split otherwise."""
    folder = tmp_path_factory.mktemp("shop")
    write_interactions(folder / "shop.csv")
    rows = "".join(f"i{item},c{item % 5}|d{item % 3}\n" for item in range(40))
    (folder / "items.csv").write_text("item_id,category\n" + rows)
    named: dict[str, dict[str, Any]] = {
        "shop": {"items": folder / "items.csv"},
        "timed": {"split": "time", "valid_from": "2020-09-13T12:31:40", "test_from": "2020-09-13T12:33:40"},
        "cold": {"split": "cold-items"},
    }
    for name, options in named.items():
        preprocess(
            str(folder / "shop.csv"), workspace=folder / "workspace", options=PreprocessOptions(name=name, **options)
        )
    overrides = {**TINY, "stages": {name: {"epochs": 1} for name in TINY["stages"]}}
    train("shop", workspace=folder / "workspace", model_name="adrec", experiment=ExperimentOptions(overrides=overrides))
    return folder / "workspace"


@pytest.fixture
def place(shop: Path, tmp_path: Path) -> Path:
    """The same workspace, to write into, beside a file of negatives."""
    shutil.copytree(shop, tmp_path / "workspace")
    data = pl.read_parquet(shop / "shop/sequences.parquet")
    items = pl.read_parquet(shop / "shop/items.parquet")["item_id"]
    last = items.gather(data["items"].list.last() - 1)
    negatives = pl.Series([items[:7].to_list()] * data.height)
    pl.DataFrame({"user_id": data["user_id"], "item_id": last, "neg_items": negatives}).write_parquet(
        tmp_path / "negatives.parquet"
    )
    return tmp_path


def line(place: Path, case: str, *more: str) -> list[object]:
    words = [str(place / "negatives.parquet") if word == "FILE" else word for word in CASES[case]]
    return ["evaluate", *words, "-w", place / "workspace", "--threads", "1", *more]


def reports(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "workspace").glob("*/reports/*"))


@pytest.mark.parametrize(
    ("case", "count"),
    [
        pytest.param("drawn", 2, marks=pytest.mark.thorough),
        *(pytest.param(case, 3, marks=pytest.mark.thorough) for case in CASES),
        *(pytest.param(case, count, marks=pytest.mark.slow) for case in CASES for count in (2, 7)),
    ],
)
def test_they_write_the_bytes_of_one_process(place, case, count):
    """Reports but for times, and ranks; and all that is shown but for the time of ranking."""
    untouched = set(artifacts(place / "workspace"))
    alone = typed(line(place, case, "--slices"), place, small_batches)
    assert alone.exit_code == 0, alone.stderr
    expected = artifacts(place / "workspace")
    assert len(expected.keys() - untouched) == 2
    for path in (place / "workspace").glob("*/reports/*"):
        path.unlink()
    ended = typed_by(count, line(place, case, "--slices"), place, all_=small_batches)
    assert codes(ended) == [0] * count, ended[0].stderr
    assert [bool(one.stdout or one.stderr) for one in ended] == [True] + [False] * (count - 1)
    found = artifacts(place / "workspace")
    assert found.keys() == expected.keys()
    for name, content in expected.items():
        assert found[name] == content, name
    (report,) = (place / "workspace").glob("*/reports/*.json")
    each = json.loads(report.read_text())["seconds"] / count
    assert f"ranked in {each:.1f} s by each of {count} processes" in ended[0].stdout
    shown = [[row for row in one.stdout.splitlines() if " s" not in row] for one in (alone, ended[0])]
    assert shown[0] == shown[1]


@pytest.mark.thorough
def test_how_far_it_is_is_told_of_the_whole(place):
    ended = typed_by(
        2, line(place, "all items"), place, {0: show_progress, 1: show_progress}, all_=small_batches
    )  # fmt: skip
    assert codes(ended) == [0, 0]
    shown = [int(row.removesuffix(" of 120")) for row in ended[0].stderr.splitlines() if row.endswith(" of 120")]
    assert shown == sorted(set(shown))
    assert shown[-1] == 120
    assert len(shown) >= 3
    assert not ended[1].stderr


@pytest.mark.thorough
def test_only_the_first_downloads(place):
    ended = typed_by(2, line(place, "all items", "--negatives", "shop:test"), place, all_=download_once)
    assert codes(ended) == [0, 0], ended
    assert "negatives: shop:test" in ended[0].stdout


@pytest.mark.skipif(not CAN_BE_SHARED, reason="memory is shared on Linux only")
@pytest.mark.parametrize("processes", [2, pytest.param(3, marks=pytest.mark.thorough)])
def test_the_weights_are_read_once(place, processes):
    ended = typed_by(processes, line(place, "all items"), place, all_=note_readers)
    assert codes(ended) == [0] * processes, ended[0].stderr
    assert len(list(place.glob("read-by-*"))) == 1


@pytest.mark.parametrize(
    ("prepare", "codes_of_both", "message"),
    [
        ({1: spoil_representations}, [4, 4], "gives values that are not finite"),
        pytest.param({0: spoil_representations}, [4, 4], "gives values that are not finite", marks=pytest.mark.slow),
        pytest.param({1: know_other_code}, [4, 4], "process 1 has other data, options", marks=pytest.mark.thorough),
        pytest.param({1: fail_at_the_third_batch}, [143, 1], "cannot reach another", marks=pytest.mark.thorough),
        ({0: fill_the_disk}, [7, 7], "no space left"),
    ],
)
def test_what_goes_wrong_in_one_ends_all(place, prepare, codes_of_both, message):
    before = reports(place)
    ended = typed_by(2, line(place, "all items"), place, prepare, all_=small_batches)
    assert codes(ended) == codes_of_both
    assert message in ended[0].require_one_error(codes_of_both[0])
    assert bool(ended[1].stderr) == (codes_of_both[1] == 1), "a bug is shown by whoever has it"
    assert reports(place) == before


@pytest.mark.parametrize("rank", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_memory_that_ends_while_they_speak_is_called_so(place, rank):
    before = reports(place)
    ended = typed_by(2, line(place, "all items"), place, {rank: run_out_of_memory_together}, all_=small_batches)
    assert codes(ended) == [1 if one == rank else 143 for one in range(2)]
    assert "error: out of memory\n" in ended[rank].stderr
    assert reports(place) == before


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
@pytest.mark.parametrize("signalled", [(0, 1), (1,), pytest.param((0,), marks=pytest.mark.slow)])
def test_a_signal_ends_all_of_them(place, signalled, number):
    before = reports(place)
    together = begun(2, line(place, "all items"), place, {0: show_progress}, all_=slowly)
    together.running[0].until(" of 120")
    began = time.monotonic()
    for rank in signalled:
        together.running[rank].send(number)
    ended = together.ended()
    assert time.monotonic() - began < 10
    assert codes(ended) == [128 + number] * 2
    assert not ended[1].stderr
    assert reports(place) == before


@pytest.mark.thorough
@pytest.mark.parametrize("killed", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_one_that_is_killed_takes_the_others_with_it(place, killed):
    before = reports(place)
    together = begun(3, line(place, "all items"), place, {0: show_progress}, all_=slowly)
    together.running[0].until(" of 120")
    ended = kill_one(together, killed)
    if killed:
        assert "cannot reach another one" in ended[0].require_one_error(143)
    assert reports(place) == before
    assert codes(typed_by(2, line(place, "all items"), place, all_=small_batches)) == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["finetune", "--steps", "1,2"], 2, "several numbers of --steps are compared"),
        pytest.param(["nothing"], 4, "nothing", marks=pytest.mark.slow),
        pytest.param(["finetune", "--negatives", "nowhere.csv"], 3, "nowhere.csv", marks=pytest.mark.slow),
        pytest.param(["finetune", "--devices", "3"], 2, "2 processes were started", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_begin_is_said_once(place, arguments, code, message):
    ended = typed_by(2, ["evaluate", *arguments, "-w", place / "workspace"], place)
    assert codes(ended) == [code, code]
    assert message in ended[0].require_one_error(code)
    assert not ended[1].stderr
