"""A shop over days: nights, rollbacks, people who leave, readers and cleaners at once, and kill -9 anywhere.

After each day: no event lost or doubled, `verify` is green, who left is in no file, and the promoted model answers.
With a server that customers ask all the time, no model answers that was not promoted, every question is answered, and
who left is unknown to it.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter

import pytest

from adrec_cli.data import inbox as inbox_files
from tests.robustness.histories import COMMANDS, QUICK, WEIGHTS, History
from tests.robustness.shop import Shop, events_of, write_events
from tests.tiers import sampled


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A shop behind its first night."""
    shop = Shop(tmp_path_factory.mktemp("begun"))
    path = write_events(shop.folder / "shop.csv", events_of(range(24), 0))
    done = shop.types("run", path, *QUICK)
    assert done.exit_code == 0, done.stderr
    return shop


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(inbox_files, "SETTLING_SECONDS", 0.0)


@sampled("seed", range(5), quick=[1])
def test_a_history(begun, tmp_path, seed):
    History(tmp_path / "shop", begun, seed).require_whole_through(days=1 + seed % 2)


@sampled("seed", range(2000, 2004), quick=[2000])
def test_a_history_with_a_server(begun, tmp_path, seed):
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    History(tmp_path / "shop", begun, seed).require_served_through(1, seed)


@pytest.fixture(scope="module")
def begun_beside(begun, tmp_path_factory):
    """That shop, and another one in its workspace."""
    folder = tmp_path_factory.mktemp("beside")
    shutil.copytree(begun.folder, folder, dirs_exist_ok=True)
    shop = Shop(folder)
    events = [(f"q{user}", item, time) for user, item, time in events_of(range(100, 124), 0)]
    done = shop.types("run", write_events(shop.folder / "quiet.csv", events), *QUICK)
    assert done.exit_code == 0, done.stderr
    return shop


@pytest.mark.parametrize("seed", range(4000, 4002))
def test_a_history_with_a_server_of_two_shops(begun_beside, tmp_path, seed):
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    History(tmp_path / "shop", begun_beside, seed).require_served_through(1, seed, "quiet")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4002, 4052))
def test_one_of_50_histories_with_a_server_of_two_shops(begun_beside, tmp_path, seed):
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    History(tmp_path / "shop", begun_beside, seed).require_served_through(5, seed, "quiet")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3000, 3100))
def test_one_of_100_histories_with_a_server(begun, tmp_path, seed):
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    History(tmp_path / "shop", begun, seed).require_served_through(5, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(5, 20), *range(1000, 1485)])
def test_one_of_500_histories(begun, tmp_path, seed):
    History(tmp_path / "shop", begun, seed).require_whole_through(days=5)


def test_histories_are_of_every_kind():
    """The generator must not be tame: it types everything there is, and often."""
    drawn = Counter(name for seed in range(20) for name in random.Random(seed).choices(list(COMMANDS), WEIGHTS, k=6))
    assert set(drawn) == set(COMMANDS)
