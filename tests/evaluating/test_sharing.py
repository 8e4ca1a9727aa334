"""Several processes that share an evaluation: the figures and bytes of one, and an end together however it comes."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.errors import DivergedError
from adrec_cli.evaluating.held_out import HeldOut
from adrec_cli.evaluating.recommended_lists import list_figures
from adrec_cli.experiments.events import RankingProgress
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.models.sampling import Sampling
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train
from adrec_cli.ranking import scorer as scorer_module
from adrec_cli.ranking.protocols import Protocol, select_cases
from adrec_cli.ranking.rivals import Rivals, draw_negatives
from adrec_cli.ranking.samples import Merging
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.training.memory_once import CAN_BE_SHARED
from adrec_cli.training.processes import ALONE, Processes, advance_together, compute_after_first
from tests.conftest import TINY, write_interactions
from tests.examples import tries
from tests.robustness.processes import Ended, artifacts, typed
from tests.robustness.several import begun, typed_by
from tests.training.test_loop import sequences
from tests.training.threads import in_threads
from tests.variants import small_model

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


def small_batches() -> None:
    """Give several processes something to share."""
    scorer_module._BATCH_TOKENS, scorer_module._MIN_BATCH_TOKENS = {"cpu": 64}, 64


def slowly() -> None:
    """Give a test time to interfere."""
    small_batches()
    represent = scorer_module.Scorer._samples

    def represent_slowly(scorer: object, *batches: object) -> object:
        time.sleep(0.15)
        return represent(scorer, *batches)

    scorer_module.Scorer._samples = represent_slowly


def spoil_representations() -> None:
    """Let the model of this process give NaN in its third batch."""
    represent, calls = scorer_module.Scorer._samples, []

    def spoilt(scorer: object, *batches: object) -> object:
        samples = represent(scorer, *batches)
        calls.append(1)
        return [one * float("nan") for one in samples] if len(calls) == 3 else samples

    scorer_module.Scorer._samples = spoilt


def fail_at_the_third_batch() -> None:
    """Let this process meet a bug."""
    represent, calls = scorer_module.Scorer._samples, []

    def fail(scorer: object, *batches: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise ZeroDivisionError("a bug")
        return represent(scorer, *batches)

    scorer_module.Scorer._samples = fail


def run_out_of_memory_together() -> None:
    """Let the memory of this process end where it sends to the others."""

    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    torch.distributed.all_gather = fail


def know_other_code() -> None:
    """Give this process another version of adrec than the first one has."""
    from adrec_cli.evaluating import evaluation

    evaluation.measuring_code_sha256 = lambda: "other"


def fill_the_disk() -> None:
    """Refuse the report."""
    import errno

    from adrec_cli.artifacts.atomic import storage_error
    from adrec_cli.evaluating import evaluation

    def refuse(evaluation: object, _ranks: object) -> object:
        raise storage_error("write", Path(evaluation.path), OSError(errno.ENOSPC, "No space left on device"))

    evaluation.write_evaluation = refuse


def download_once() -> None:
    """Let published negatives come from far away: only the first process brings them."""
    import os

    from adrec_cli.evaluating.given_negatives import Looking

    def find(looking: Looking, text: str, _part: str) -> tuple[Path, str]:
        brought = looking.workspace.parent / "brought.parquet"
        if os.environ["RANK"] == "0":
            time.sleep(0.5)
            shutil.copy(looking.workspace.parent / "negatives.parquet", brought)
        assert brought.exists()
        return brought, text

    Looking.find = find


def note_readers() -> None:
    """Leave a file for each process that reads a checkpoint's tensors."""
    import os

    from adrec_cli.artifacts.tensor_file import TensorFile

    read = TensorFile._read

    def noted(file: TensorFile, *arguments: object) -> str:
        (file.path.parents[3] / f"read-by-{os.environ['RANK']}").touch()
        return read(file, *arguments)

    TensorFile._read = noted


def show_progress() -> None:
    """Print how far the ranking is."""
    from adrec_cli.cli.show.training_progress import TrainingProgress

    def show(_progress: object, event: object) -> None:
        if isinstance(event, RankingProgress):
            print(f"{event.done} of {event.total}", file=sys.stderr)

    TrainingProgress.__call__ = show


def codes(ended: list[Ended]) -> list[int]:
    return [one.exit_code for one in ended]


def reports(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "workspace").glob("*/reports/*"))


@pytest.mark.parametrize(
    ("case", "count"),
    [
        ("unseen", 3),
        ("drawn", 2),
        *(pytest.param(case, 3, marks=pytest.mark.thorough) for case in CASES if case != "unseen"),
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
def test_the_weights_are_read_once(place):
    ended = typed_by(3, line(place, "all items"), place, all_=note_readers)
    assert codes(ended) == [0, 0, 0], ended[0].stderr
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
    began = time.monotonic()
    together.running[killed].send(signal.SIGKILL)
    ended = together.ended()
    assert time.monotonic() - began < 30
    assert [code for rank, code in enumerate(codes(ended)) if rank != killed] == [143, 143]
    assert ended[killed].exit_code == -signal.SIGKILL
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


ITEMS = 30
_LEARNED = sequences(items=ITEMS)
DATA = dataclasses.replace(_LEARNED, train_end=_LEARNED.train_end - 1)
CATEGORIES = pl.Series([f"c{item % 4}" for item in range(ITEMS)])
OPENED = SimpleNamespace(
    sequences=DATA, items=pl.DataFrame({"count": np.arange(ITEMS) % 7, "category": CATEGORIES}), folder=Path()
)
PROTOCOL = Protocol(split="loo", part="valid", negatives=0, mask_seen=False, cold_items=False)


@settings(max_examples=tries(12))
@given(data=st.data())
def test_ranks_and_lists_do_not_hang_on_the_number_of_processes(data: st.DataObject) -> None:
    """With any number of cases, so that some processes have no batch, any size of batches, and ties."""
    cases = select_cases(DATA, "valid").some(slice(data.draw(st.integers(1, 60), label="cases")))
    negatives = draw_negatives(DATA, cases, 9, 3)
    rivals = data.draw(st.sampled_from([Rivals(), Rivals(mask_seen=True), Rivals(negatives=negatives)]))
    merging = Merging(
        samples=data.draw(st.integers(1, 2)), merge=data.draw(st.sampled_from(["reciprocal-rank", "mean-score"]))
    )
    tokens, count = data.draw(st.sampled_from([16, 64, 4096])), data.draw(st.integers(2, 4))
    asked = HeldOut(dataset=OPENED, cases=cases, rivals=rivals, protocol=PROTOCOL)  # type: ignore[arg-type]

    def measure(processes: Processes) -> tuple[list[int], dict[str, float], list[int]]:
        model = small_model("adrec", {}, items=ITEMS)
        with torch.no_grad():
            model.item_embedding.weight[3::3] = model.item_embedding.weight[2:-1:3]
        sampling = Sampling(steps=1, noise="seeded", temperature=1.0)
        scorer = Scorer(model=model, output="x_start", sampling=sampling, merging=merging, device=torch.device("cpu"))
        told: list[RankingProgress] = []
        ranks, _ = asked.rank(scorer, told.append, processes)
        figures = list_figures(scorer, asked, told.append, processes)
        return ranks.tolist(), figures, [event.done for event in told]

    with mock.patch.multiple(scorer_module, _BATCH_TOKENS={"cpu": tokens}, _MIN_BATCH_TOKENS=1):
        ranks, figures, _ = measure(ALONE)
        together = in_threads(count, measure)
    assert min(ranks) >= 1
    for own_ranks, own_figures, done in together:
        assert (own_ranks, own_figures, done) == (ranks, figures, together[0][2])
        assert [done[-1], done.count(len(cases))] == [len(cases), 2]


@settings(max_examples=tries(20))
@given(steps=st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=4))
def test_rounds_add_up_what_each_has_done_however_many_steps_it_has(steps: list[list[int]]) -> None:
    found = in_threads(len(steps), lambda own: list(advance_together(iter(steps[own.rank]), own)))
    longest = max(map(len, steps))
    rounds = [sum(own[turn] for own in steps if turn < len(own)) for turn in range(longest)]
    assert found == [rounds] * len(steps)


def test_a_round_in_which_one_fails_is_the_last_of_all() -> None:
    done: list[tuple[int, int]] = []

    def step(rank: int) -> Iterator[int]:
        for turn in range(5):
            if (rank, turn) == (1, 2):
                raise DivergedError("here")
            done.append((turn, rank))
            yield 1

    def work(own: Processes) -> str:
        with pytest.raises(DivergedError) as raised:
            list(advance_together(step(own.rank), own))
        return raised.value.message

    assert in_threads(3, work) == ["here"] * 3
    assert sorted(done) == sorted((turn, rank) for turn in range(3) for rank in range(3) if (turn, rank) != (2, 1))


def test_the_others_begin_once_the_first_has_done_it() -> None:
    order: list[int] = []

    def work(own: Processes) -> int:
        def bring() -> int:
            time.sleep(0.05 if own.first else 0)
            order.append(own.rank)
            return 10 + own.rank

        return compute_after_first(bring, own)

    assert in_threads(3, work) == [10, 11, 12]
    assert order[0] == 0
    assert sorted(order) == [0, 1, 2]
