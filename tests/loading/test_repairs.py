"""What is said of a promoted model that cannot be used: typed, it makes that model usable again."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import write_interactions
from tests.robustness.processes import typed_here

MODEL = "sasrec"
"""Not the one that commands take by default."""
QUICK = ["--set", "model.hidden_size=8", "--set", "model.max_length=8", "--epochs", "1", "--threads", "1", "--quiet"]


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("promoted")
    write_interactions(folder / "shop.csv", users=40)
    line = ["run", folder / "shop.csv", "--model", MODEL, *QUICK, "--workspace", folder / "workspace"]
    assert typed_here(line).exit_code == 0
    return folder / "workspace"


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9] + b"\0" * 9)


@pytest.mark.parametrize(
    ("pattern", "spoil"),
    [
        ("current.json", damage), ("promoted/*.safetensors", damage), ("promoted/*.safetensors", Path.unlink),
        ("promoted/*.items.parquet", damage),
    ],
    ids=["current.json", "checkpoint", "no checkpoint", "items"],
)  # fmt: skip
def test_the_first_command_that_is_named_promotes_the_model_again(
    promoted: Path, tmp_path: Path, pattern: str, spoil: Callable[[Path], None]
) -> None:
    workspace = shutil.copytree(promoted, tmp_path / "workspace")
    (path,) = (workspace / "shop" / MODEL).glob(pattern)
    spoil(path)
    recommend = ["recommend", "--user", "u1", "--model", MODEL, "--workspace", workspace]
    done = typed_here(recommend)
    done.require_one_error(4)
    hint = done.stderr.splitlines()[-1].removeprefix("hint: ")
    if hint.startswith("remove it"):
        path.unlink()
    first = re.split("adrec |, ", hint[hint.index("adrec ") :])[1]
    again = typed_here([*shlex.split(first), *QUICK, "--workspace", workspace])
    assert again.exit_code == 0, again.stderr
    assert typed_here(recommend).exit_code == 0
