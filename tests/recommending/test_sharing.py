"""Several processes that share a batch: the bytes of one, and an end together however it comes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.recommendation_file import find_parts_folder
from adrec_cli.experiments.events import RankingProgress
from adrec_cli.pipeline import recommend_batch
from tests.robustness.processes import typed
from tests.robustness.several import begun, codes, kill_one, typed_by

LINE = ["recommend", "--all", "-k", "3", "--threads", "1", "--out"]
USERS = 120


@pytest.fixture(scope="module")
def shop(grouped_shop: Path) -> Path:
    return grouped_shop


def small_chunks() -> None:
    """Give several processes something to share."""
    recommend_batch.CHUNK_USERS = 10


def slowly() -> None:
    """Give a test time to interfere."""
    from adrec_cli.recommending.batch import Batch

    small_chunks()
    rank = Batch.rank

    def rank_slowly(batch: Batch, number: int) -> object:
        time.sleep(0.15)
        return rank(batch, number)

    Batch.rank = rank_slowly


def fill_the_disk() -> None:
    """Refuse this process its third part."""
    import errno

    from adrec_cli.artifacts.atomic import storage_error
    from adrec_cli.recommending import sharing

    write, calls = sharing.write_part, []

    def refuse(folder: Path, *arguments: object) -> str:
        calls.append(1)
        if len(calls) == 3:
            raise storage_error("write", folder, OSError(errno.ENOSPC, "No space left on device"))
        return write(folder, *arguments)

    sharing.write_part = refuse


def write_elsewhere() -> None:
    """Let this process write as one does that does not see the folder of the first."""
    from adrec_cli.recommending import sharing

    write = sharing.write_part
    sharing.write_part = lambda folder, *arguments: write(folder.with_name("other"), *arguments)


def know_other_code() -> None:
    """Give this process another version of adrec than the first one has."""
    from adrec_cli.recommending import on_workers

    on_workers.code_sha256 = lambda *_: "other"


def show_progress() -> None:
    """Print how far the batch is."""
    from adrec_cli.cli.show.training_progress import TrainingProgress

    def show(_progress: object, event: object) -> None:
        if isinstance(event, RankingProgress):
            print(f"{event.done} of {event.total}")

    TrainingProgress.__call__ = show


def written(folder: Path) -> dict[str, bytes]:
    """Return what batches left in a folder, hidden files as well."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def alone(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The folder that one process writes."""
    place = tmp_path_factory.mktemp("alone")
    done = typed([*LINE, place / "out/recs", "-w", shop], place, small_chunks)
    assert done.exit_code == 0, done.stderr
    return written(place / "out")


def parts_in(folder: Path) -> int:
    return len(list(folder.rglob(".*.parts/*.parquet")))


@pytest.mark.parametrize("count", [3, *(pytest.param(count, marks=pytest.mark.slow) for count in (2, 7))])
def test_they_write_the_bytes_of_one_process(shop, tmp_path, alone, count):
    ended = typed_by(count, [*LINE, tmp_path / "out/recs", "-w", shop], tmp_path, all_=small_chunks)
    assert codes(ended) == [0] * count, ended[0].stderr
    assert f"{3 * USERS} rows for {USERS} users" in ended[0].stdout
    assert [bool(one.stdout or one.stderr) for one in ended] == [True] + [False] * (count - 1)
    assert written(tmp_path / "out") == alone


@pytest.mark.parametrize(
    ("more", "name"),
    [
        pytest.param(["--shard", "1/2"], "recs", marks=pytest.mark.slow),
        ([], "recs.csv"),
        pytest.param(["--events", "EVENTS"], "recs.jsonl", marks=pytest.mark.slow),
        pytest.param(["--users", "USERS"], "recs", marks=pytest.mark.slow),
    ],
)
def test_every_kind_of_batch_is_shared(shop, tmp_path, more, name):
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu1,i3,1999999999\nnew,i4,1999999999\n")
    (tmp_path / "users.txt").write_text("".join(f"u{number}\n" for number in range(1, 40)) + "nobody\n")
    files = {"EVENTS": tmp_path / "events.csv", "USERS": tmp_path / "users.txt"}
    line = [word for word in LINE if "--users" not in more or word != "--all"]
    line += [tmp_path / "OUT" / name, *(files.get(word, word) for word in more), "-w", shop]
    found = {}
    for count in (1, 2):
        typing = [word if word != tmp_path / "OUT" / name else tmp_path / f"out{count}" / name for word in line]
        ended = typed_by(count, typing, tmp_path, all_=small_chunks)
        assert codes(ended) == [0] * count, ended[0].stderr
        found[count] = written(tmp_path / f"out{count}")
    assert found[1]
    assert found[2] == found[1]


@pytest.mark.thorough
def test_a_batch_goes_on_with_another_number_of_processes(shop, tmp_path, alone):
    """Stopped in the midst, by a signal to all, and begun again by more and by fewer."""
    line = [*LINE, tmp_path / "out/recs", "-w", shop]
    for count, least in ((2, 1), (3, 4)):
        together = begun(count, line, tmp_path, all_=slowly)
        _wait_for(lambda least=least: parts_in(tmp_path / "out") >= least)
        for one in together.running:
            one.send(signal.SIGTERM)
        ended = together.ended()
        assert codes(ended) == [143] * count
        assert "stopped by SIGTERM" in ended[0].require_one_error(143)
        assert "to continue with the missing users" in ended[0].stderr
        assert not any(one.stderr for one in ended[1:])
    kept = parts_in(tmp_path / "out")
    done = typed(line, tmp_path, small_chunks)
    assert done.exit_code == 0
    assert 4 <= kept < USERS / 10
    assert "users done by an earlier, interrupted run" in done.stderr
    assert written(tmp_path / "out") == alone


@pytest.mark.thorough
@pytest.mark.parametrize("killed", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_one_that_is_killed_takes_the_others_with_it_and_the_next_run_goes_on(shop, tmp_path, alone, killed):
    line = [*LINE, tmp_path / "out/recs", "-w", shop]
    together = begun(2, line, tmp_path, all_=slowly)
    _wait_for(lambda: parts_in(tmp_path / "out") >= 2)
    ended = kill_one(together, killed)
    if killed:
        assert "cannot reach another one" in ended[0].require_one_error(143)
    again = typed_by(3, line, tmp_path, all_=small_chunks)
    assert codes(again) == [0] * 3
    assert "users done by an earlier, interrupted run" in again[0].stderr
    assert written(tmp_path / "out") == alone


@pytest.mark.parametrize(
    ("prepare", "code", "message"),
    [
        ({1: fill_the_disk}, 7, "no space left"),
        pytest.param({0: fill_the_disk}, 7, "no space left", marks=pytest.mark.slow),
        pytest.param({1: know_other_code}, 4, "process 1 has other data, options or code", marks=pytest.mark.thorough),
        ({1: write_elsewhere}, 7, "was written by another process, and is not here"),
    ],
)
def test_what_goes_wrong_in_one_ends_all(shop, tmp_path, alone, prepare, code, message):
    line = [*LINE, tmp_path / "out/recs", "-w", shop]
    ended = typed_by(2, line, tmp_path, prepare, all_=small_chunks)
    assert codes(ended) == [code, code]
    assert message in ended[0].require_one_error(code)
    assert not ended[1].stderr
    assert not (tmp_path / "out/recs").exists()
    assert parts_in(tmp_path / "out") == {"no space left": 5}.get(message, parts_in(tmp_path / "out")), "what was whole"
    again = typed(line, tmp_path, small_chunks)
    assert again.exit_code == 0
    assert {name: one for name, one in written(tmp_path / "out").items() if "other" not in name} == alone


def test_how_far_it_is_is_told_of_the_whole(shop, tmp_path):
    ended = typed_by(
        2, [*LINE, tmp_path / "recs.csv", "-w", shop], tmp_path, {0: show_progress, 1: show_progress}, all_=small_chunks
    )
    assert codes(ended) == [0, 0]
    shown = [line for line in ended[0].stdout.splitlines() if " of " in line]
    assert shown == [f"{done} of {USERS}" for done in range(20, USERS + 1, 20)]
    assert not ended[1].stdout


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--all", "--out", "-"], 2, "share a file or a folder, not stdout"),
        (["--user", "u1"], 2, "share the users of a batch"),
        (["--all", "--out", "HELD"], 5, "in use by"),
        pytest.param(["--all", "--out", "OUT", "--model", "nothing"], 4, "nothing", marks=pytest.mark.slow),
        pytest.param(["--all", "--out", "OUT", "--devices", "3"], 2, "2 processes were", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_begin_is_said_once(shop, tmp_path, more, code, message):
    places = {"OUT": tmp_path / "recs", "HELD": tmp_path / "held"}
    line = ["recommend", *(places.get(word, word) for word in more), "-w", shop, "--threads", "1"]
    with exclusive(find_parts_folder(tmp_path / "held"), "a test"):
        ended = typed_by(2, line, tmp_path)
    assert codes(ended) == [code, code]
    assert message in ended[0].require_one_error(code)
    assert not ended[1].stderr
    assert not list(tmp_path.glob("recs*"))


def _wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
