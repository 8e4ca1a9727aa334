"""Parts that workers make: what of a round stays, and what is raised; the workers are this process."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adrec_cli.artifacts.recommendation_file import find_parts_folder
from adrec_cli.errors import AdrecError, ArtifactError, StorageError, UsageError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline import recommend_batch as batch
from adrec_cli.pipeline.recommend_batch import BatchRequest, write_batch
from adrec_cli.pipeline.train import train
from adrec_cli.recommending import on_workers
from adrec_cli.recommending.batch_options import HERE, AudienceOptions, BatchEngine, BatchOutput
from adrec_cli.recommending.options import RecommendOptions
from tests.conftest import TIMED

SPARK = BatchEngine(engine="spark")
USERS = 120


class WorkersHere:
    """Do pieces in this process, as if they had been sent; those of `broken` numbers come to nothing."""

    width = 1

    def __init__(self, broken: set[int] = frozenset()) -> None:
        self.broken, self.rounds = broken, []

    def run(self, do: Callable[[Any], Any], pieces: Sequence[Any]) -> list[Any]:
        self.rounds.append([piece.number for piece in pieces])
        return [
            StorageError("no space left", hint="make some") if piece.number in self.broken
            else do(copy.deepcopy(piece))
            for piece in pieces
        ]  # fmt: skip

    def __enter__(self) -> WorkersHere:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def shop(grouped_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of these tests' own, one of which trains another model in it for a while."""
    return shutil.copytree(grouped_shop, tmp_path_factory.mktemp("workers") / "workspace")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "CHUNK_USERS", 10)
    on_workers._open_once.cache_clear()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch, shop: Path) -> Callable[..., WorkersHere]:
    """Return a function that writes a batch on workers and returns them."""

    def write(out: Path, on_event: Callable[[object], None] = lambda _: None, **more: Any) -> WorkersHere:
        workers = WorkersHere(**more)
        monkeypatch.setattr(batch, "open_workers", lambda _master: workers)
        write_batch(asked(shop, out), on_event)
        return workers

    return write


def asked(shop: Path, out: Path, engine: BatchEngine = SPARK) -> BatchRequest:
    return BatchRequest(
        audience=AudienceOptions(all_users=True), output=BatchOutput(path=out), workspace=shop,
        options=RecommendOptions(k=3, threads=1), titled=True, engine=engine,
    )  # fmt: skip


def test_they_make_the_bytes_of_one_process_in_rounds(shop, tmp_path, work):
    write_batch(asked(shop, tmp_path / "here.csv", HERE))
    told: list[Any] = []
    workers = work(tmp_path / "there.csv", told.append)
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    assert workers.rounds == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert [(one.done, one.total) for one in told] == [(40, USERS), (80, USERS), (120, USERS)]
    assert on_workers._open_once.cache_info().misses == 1, "a process opens the model once"


def test_workers_that_stay_open_the_next_model(shop, tmp_path, work):
    """A session of Spark that is used again keeps its workers."""
    work(tmp_path / "before.csv")
    kept = shop.parent / "kept"
    shutil.copytree(shop, kept)
    try:
        other = {"model": TIMED, "training": {"seed": 7}, "stages": {"train": {"epochs": 1}}}
        train("shop", workspace=shop, model_name="sasrec", experiment=ExperimentOptions(overrides=other))
        work(tmp_path / "there.csv")
        write_batch(asked(shop, tmp_path / "here.csv", HERE))
    finally:
        shutil.rmtree(shop)
        kept.rename(shop)
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    assert (tmp_path / "there.csv").read_bytes() != (tmp_path / "before.csv").read_bytes()


def test_a_worker_that_found_other_files_looks_again_for_the_next_batch(shop, tmp_path, work, monkeypatch):
    """As where a folder that machines share shows one of them what was there before."""
    late, opened = shop.parent / "late", on_workers.Opening.open
    shutil.copytree(shop, late)
    other = {"model": TIMED, "training": {"seed": 7}, "stages": {"train": {"epochs": 1}}}
    train("shop", workspace=late, model_name="sasrec", experiment=ExperimentOptions(overrides=other))
    made = on_workers._make_piece

    def make(task: Any, piece: Any) -> str | AdrecError:
        with pytest.MonkeyPatch.context() as there:
            there.setattr(on_workers.Opening, "open", lambda self, shard: opened(replace(self, workspace=late), shard))
            return made(task, piece)

    with monkeypatch.context() as shown_late:
        shown_late.setattr(on_workers, "_make_piece", make)
        with pytest.raises(ArtifactError, match="a worker has another model"):
            work(tmp_path / "recs.csv")
    work(tmp_path / "recs.csv")
    write_batch(asked(shop, tmp_path / "here.csv", HERE))
    assert (tmp_path / "recs.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_what_fails_ends_all_and_the_other_parts_of_its_round_stay(shop, tmp_path, work):
    with pytest.raises(StorageError, match="no space left"):
        work(tmp_path / "recs.csv", broken={5})
    assert not (tmp_path / "recs.csv").exists()
    left = {path.name[:6] for path in find_parts_folder(tmp_path / "recs.csv").glob("*.parquet")}
    assert left == {f"{number:06}" for number in (0, 1, 2, 3, 4, 6, 7)}
    assert work(tmp_path / "recs.csv").rounds == [[5, 8, 9, 10], [11]]
    write_batch(asked(shop, tmp_path / "here.csv", HERE))
    assert (tmp_path / "recs.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


@pytest.mark.parametrize("other", ["code_sha256", "ids_sha256"])
def test_a_worker_with_something_else_refuses(tmp_path, work, monkeypatch, other):
    """What it finds is compared with what was found where the batch began."""
    made = on_workers._make_piece

    def make(task: Any, piece: Any) -> str | AdrecError:
        with pytest.MonkeyPatch.context() as there:
            there.setattr(on_workers, other, lambda *_: "other")
            return made(task, piece)

    monkeypatch.setattr(on_workers, "_make_piece", make)
    with pytest.raises(ArtifactError, match="a worker has another model, other items or other code"):
        work(tmp_path / "recs.csv")
    assert not (tmp_path / "recs.csv").exists()


def test_a_worker_is_sent_histories_and_reads_none(shop):
    opening = on_workers.Opening.of(shop, None, None, RecommendOptions(threads=1))
    assert len(on_workers._open_once(opening, "").sequences.user_ids) == 0


def test_what_does_not_go_together_is_refused(shop, tmp_path):
    with pytest.raises(UsageError, match="where Spark runs"):
        BatchEngine(spark_master="local[2]")
    with pytest.raises(UsageError, match="not stdout"):
        write_batch(asked(shop, Path("-")))

    class Two(type(batch.ALONE)):
        count = 2

    with pytest.raises(UsageError, match="Spark has processes of its own"):
        write_batch(asked(shop, tmp_path / "recs"), processes=Two())


def test_a_piece_has_the_histories_of_its_people_alone(shop, monkeypatch):
    opened = batch._open(asked(shop, shop / "unwritten", HERE), batch.ALONE).batch
    piece = on_workers._cut_out(opened, 3)
    first, last = opened.bounds(3)
    assert piece.user_ids.equals(opened.audience.user_ids[first:last])
    whole = opened.audience.histories
    assert len(piece.histories.items) == sum(whole.ends[first:last] - whole.starts[first:last])
    for number in range(last - first):
        assert np.array_equal(piece.histories.of(number), whole.of(first + number))
        stretch = slice(whole.starts[first + number], whole.ends[first + number])
        own = slice(piece.histories.starts[number], piece.histories.ends[number])
        assert np.array_equal(piece.histories.seconds[own], whole.seconds[stretch])
