"""Many requests at once, broken clients among them, during promotions and up to the end: none dropped, none wrong."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.promotion import Candidate, items_beside, promote
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline.recommend import recommend
from adrec_cli.recommending.options import RecommendOptions
from tests.robustness.processes import TINY, typed
from tests.robustness.servers import Serving, serving, wait_until
from tests.robustness.serving_load import Expected, Load

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, csv: Path, finished: Path) -> Path:
    """A workspace in which four models were promoted."""
    folder = tmp_path_factory.mktemp("several")
    shutil.copytree(finished, folder / "workspace")
    for seed in SEEDS:
        flags = ["--workspace", folder / "workspace", "--tolerance", 1, "--seed", seed, *TINY]
        done = typed(["run", csv, *flags], folder)
        assert done.exit_code == 0, done.stderr
    return folder / "workspace"


def expected_answers(workspace: Path) -> Expected:
    """Return what each promoted model recommends to each user."""
    users = [f"u{number}" for number in range(40)]
    answers: Expected = {}
    for path in (workspace / "shop/adrec/promoted").glob("*.safetensors"):
        options = RecommendOptions(k=5, sampling=FAST_SAMPLING)
        found = recommend(users=users, workspace=workspace, model=str(path), options=options)
        answers[found.checkpoint_sha256[:16]] = {
            user: [item.item_id for item in result.items] for user, result in zip(users, found.results, strict=True)
        }
    assert len(answers) == len(SEEDS) + 1
    return answers


def promote_again(workspace: Path, name: str) -> None:
    """Make one of the promoted models current."""
    folder = workspace / "shop/adrec"
    path = folder / "promoted" / f"{name}.safetensors"
    items = items_beside(path)
    candidate = Candidate(
        checkpoint=path, sha256=file_sha256(path), items=items, items_sha256=file_sha256(items), protocol="", metric="",
        value=None,
    )  # fmt: skip
    promote(folder, candidate, keep=len(SEEDS) + 1)


def resident_mib(server: Serving) -> float:
    """Return the memory of a server."""
    status = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("requests", "connections", "broken"),
    [(1_500, 60, 16), pytest.param(20_000, 500, 96, marks=pytest.mark.slow)],
    ids=["quick", "long"],
)
def test_nobody_who_behaves_is_dropped(
    several: Path, tmp_path: Path, requests: int, connections: int, broken: int
) -> None:
    shutil.copytree(several, tmp_path / "workspace")
    expected = expected_answers(tmp_path / "workspace")
    memory: list[float] = []
    with serving(tmp_path / "workspace", tmp_path, "--client-seconds", 5) as server:
        first = server.command.stderr.split()[0]

        def promote_others() -> None:
            for name in expected:
                if name != first:
                    promote_again(tmp_path / "workspace", name)
                wait_until(lambda name=name: name in load.models, 60)
                wait_until(lambda name=name: sum(load.models.values()) > len(memory) * requests // 5, 120)
                memory.append(resident_mib(server))

        load = Load(
            server.port, requests, connections, broken, expected, promote_others,
            lambda: server.command.send(signal.SIGTERM),
        )  # fmt: skip
        started = time.perf_counter()
        asyncio.run(load.run())
        seconds = time.perf_counter() - started
        ended = server.command.ended(60)
    print(
        f"{load.found.total():,} requests over {connections} connections, {broken} broken ones, in {seconds:.1f} s: "
        f"{dict(load.found)}; models {dict(load.models)}; memory after each promotion {[round(m) for m in memory]} MiB"
    )
    assert set(load.found) == {"right"}
    assert load.found.total() >= requests
    assert set(load.models) == set(expected)
    assert ended.exit_code == 143
    assert "Traceback" not in ended.stderr
    assert memory[-1] < memory[1] * 1.1 + 16
