"""Where the shared real data and recorded values are, for the tests that need them."""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import typer.main

from adrec_cli.cli.app import app
from adrec_cli.data import dataset_files
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train
from adrec_cli.wording import speak_shell
from tests import examples  # noqa: F401 - how often properties are tried

# The models of tests are tiny: a second thread costs more than it brings, and test processes run side by side.
torch.set_num_threads(1)

# Tests type thousands of lines, and typer puts all commands together for each. Here they are put together once per
# process; forked ones find them (tests/robustness/processes.py).
typer.main.get_command = functools.cache(typer.main.get_command)
typer.main.get_command(app)


def _look_at(descriptor: int) -> None:
    os.fstat(descriptor)


# No test cuts the power, so none can tell whether the disk was waited for; that a file is synced before it is renamed
# is tested by counting and refusing the calls. A closed descriptor is refused as ever.
os.fsync = _look_at


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Let the processes of `pytest -n` begin with one half each, so that few set-ups are made in both."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Look for garbage in what tests leave alone, not in thousands of tests and what they import, which all stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionfinish() -> None:
    """End what a test that failed has left running: Python would wait for it before it ends."""
    for child in multiprocessing.active_children():
        child.kill()


SHARED = Path(os.environ.get("ADREC_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"shared {name} not present (looked beside the repository and in $ADREC_SHARED)")
    return folder


# No test meets the descriptions of data sets that whoever runs it has added.
os.environ["ADREC_DATASETS"] = os.devnull


@pytest.fixture(scope="module", name="in_shell")
def _in_shell() -> Iterator[None]:
    """Spell options in messages as after a command, for tests that read what a user would type."""
    with speak_shell():
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test an empty cache of downloads, which is there only once something lies in it."""
    monkeypatch.setenv("ADREC_CACHE", str(tmp_path_factory.getbasetemp() / f"cache-{uuid.uuid4().hex}"))


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of values recorded from the official ADRec code."""
    return _shared_folder("golden")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets."""
    return _shared_folder("data")


TINY = {
    "model": {"hidden_size": 16, "max_length": 10, "heads": 2, "diffusion_steps": 4, "cam_blocks": 1, "adm_blocks": 1},
    "training": {"batch_size": 64, "seed": 1},
    "stages": {"pretrain": {"epochs": 3}, "align": {"epochs": 2}, "finetune": {"epochs": 3}},
}
"""An experiment that trains in a second, as the tables `compose` reads."""


def write_interactions(path: Path, *, users: int = 120, items: int = 40, shuffled: bool = False, seed: int = 0) -> None:
    """Write a CSV in which the next item follows from the last one, or, shuffled, from nothing.

    Args:
        path: to write.
        users, items: how many.
        shuffled: items are drawn independently from the same popularity.
        seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    follows = rng.permutation(items)
    popularity = 1 / np.arange(1, items + 1) ** 0.5
    popularity /= popularity.sum()
    lines = ["user_id,item_id,timestamp"]
    for user in range(users):
        item = rng.choice(items, p=popularity)
        for time in range(int(rng.integers(5, 14))):
            lines.append(f"u{user},i{item},{1_600_000_000 + time * 60}")
            jump = shuffled or rng.random() < 0.1
            item = rng.choice(items, p=popularity) if jump else follows[item]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preprocessed data set called tiny, in a workspace that tests copy rather than change."""
    folder = tmp_path_factory.mktemp("source")
    write_interactions(folder / "tiny.csv")
    preprocess(str(folder / "tiny.csv"), workspace=folder / "workspace", options=PreprocessOptions())
    return folder / "workspace"


GROUP = 25
"""Users of a row group of `grouped_shop`, which has 120."""
TIMED = {"hidden_size": 8, "max_length": 8, "heads": 2, "times": "gaps"}
"""The network of its model, a SASRec that reads when events were."""


@pytest.fixture(scope="session")
def grouped_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose sequences have five row groups, with a model, which tests only read."""
    folder = tmp_path_factory.mktemp("grouped")
    write_interactions(folder / "shop.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_files, "MAX_ROW_GROUP_USERS", GROUP)
        preprocess(str(folder / "shop.csv"), workspace=folder / "workspace")
    brief = ExperimentOptions(overrides={"model": TIMED, "stages": {"train": {"epochs": 1}}})
    train("shop", workspace=folder / "workspace", model_name="sasrec", experiment=brief)
    return folder / "workspace"


@pytest.fixture
def workspace(tiny_source: Path, tmp_path: Path) -> Path:
    """A workspace of its own with the data set tiny."""
    shutil.copytree(tiny_source, tmp_path / "workspace")
    return tmp_path / "workspace"
