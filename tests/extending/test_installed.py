"""A small distribution adds a model, a loss, a metric and a data set; none of it runs before it is asked for."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import environment
from tests.extending.conftest import ENTRY_POINTS, SOURCE, install
from tests.robustness.processes import Ended, read_adrec_again
from tests.robustness.processes import typed as typed_in_a_fork
from tests.tiers import sampled

Described = tuple[list[str], dict[str, list[Any]], list[str], list[str]]

SHOP = """
title = "A shop of one's own"
licence = "none"
citation = "none"

[[sources]]
files = ["my-shop.csv"]
"""
INIT = """
from pathlib import Path
SHOP = Path(__file__).with_name("my-shop.toml")
"""
# What a wheel holds of [project.entry-points."GROUP"].
GROUPS = ENTRY_POINTS.replace('[project.entry-points."', "[").replace('"]', "]").replace('"', "")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the distribution of the page."""
    files = {"my_package/__init__.py": INIT, "my_package/my_model.py": SOURCE, "my_package/my-shop.toml": SHOP}
    return install(tmp_path_factory.mktemp("installed"), "my_package", files, GROUPS, by_pip=True)


def typed(installed: Path, folder: Path, *arguments: object, **env: str) -> Ended:
    """Type a command in a process that finds the distribution."""
    env["ADREC_DATASETS"] = str(installed / "none")
    return typed_in_a_fork(arguments, folder, functools.partial(read_adrec_again, installed, env))


@pytest.mark.thorough
def test_it_is_read_trained_and_compared(installed: Path, tmp_path: Path, tiny_source: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/my-shop.csv").write_bytes((tiny_source.parent / "tiny.csv").read_bytes())
    workspace = {"ADREC_WORKSPACE": str(tmp_path / "workspace"), "ADREC_RAW": str(tmp_path / "raw")}
    shown = typed(installed, tmp_path, "datasets", "show", "my-shop", **workspace)
    assert "A shop of one's own" in shown.stdout, shown.stderr
    assert typed(installed, tmp_path, "preprocess", "my-shop", "-q", **workspace).exit_code == 0
    trained = typed(
        installed, tmp_path, "train", "my-shop", "--model", "markov", "--epochs", 1, "--monitor", "rbp@10",
        "--threads", 1, "--set", "stages.train.ranking_loss=hinge", **workspace,
    )  # fmt: skip
    assert trained.exit_code == 0, trained.stderr
    compared = typed(installed, tmp_path, "compare", "my-shop", "--json", **workspace)
    assert compared.exit_code == 0, compared.stderr
    assert {model["name"]: "rbp@10" in model["metrics"] for model in json.loads(compared.stdout)["models"]} == {
        "mostpop": True, "markov": True,
    }  # fmt: skip
    missing = typed(tmp_path, tmp_path, "evaluate", "train", "--dataset", "my-shop", **workspace)
    assert missing.exit_code == 4
    assert "of model 'markov', which is not registered here; it is of plugin my_package" in missing.stderr
    assert "pip install my_package" in missing.stderr


SPY = """
import json, sys
from adrec_cli.cli.app import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted(name for name in sys.modules if name.startswith("my_package"))), file=sys.stderr)
"""


@sampled(
    "words",
    {" ".join(words): words for words in (["--help"], ["train", "--help"], ["--version"], ["status"], ["recommend"])},
    quick=["train --help", "status"],
)
def test_nothing_of_it_is_imported_before_it_is_asked_for(installed: Path, tmp_path: Path, words: list[str]) -> None:
    env = environment(PYTHONPATH=str(installed), ADREC_WORKSPACE=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", SPY, *words], capture_output=True, text=True, env=env, timeout=120)
    assert json.loads(done.stderr.splitlines()[-1]) == []


def test_its_names_are_completed_without_loading_it(installed: Path) -> None:
    env = environment(
        PYTHONPATH=str(installed), _ADREC_COMPLETE="complete_bash", COMP_WORDS="adrec train --model mar", COMP_CWORD="3"
    )
    done = subprocess.run([sys.executable, "-c", SPY], capture_output=True, text=True, env=env, timeout=120)
    assert done.stdout.split() == ["markov"]
    assert json.loads(done.stderr.splitlines()[-1]) == []


@pytest.mark.thorough
def test_one_that_is_broken_says_which_to_uninstall(tmp_path: Path) -> None:
    folder = install(
        tmp_path / "broken", "broken_package", {"broken_package.py": "raise OSError('no')"},
        "[adrec.models]\nbroken = broken_package:Model\n",
    )  # fmt: skip
    done = typed(folder, tmp_path, "train", "demo", "--model", "broken")
    assert done.exit_code == 2
    assert "the model 'broken' of broken_package cannot be loaded: OSError: no" in done.stderr
    assert "pip uninstall broken_package" in done.stderr
    code = "from adrec_cli.models.registry import find_model; find_model('sasrec')"
    env = environment(PYTHONPATH=str(folder))
    assert subprocess.run([sys.executable, "-c", code], env=env, timeout=120).returncode == 0, "others are there"


def describing(*datasets: str) -> str:
    """Return Python that prints the names of data sets, whether each asked for is one, and what loading it says."""
    return f"""
import json
from adrec_cli.data.named_datasets import dataset_names, find_named_source, is_named, list_named, load_dataset_spec
from adrec_cli.errors import AdrecError
from pathlib import Path
def loaded(name):
    try:
        return load_dataset_spec(name).title
    except AdrecError as error:
        return error.message
listed, damaged = list_named(Path("nowhere"))
asked = {{name: [is_named(name), find_named_source(name), loaded(name)] for name in {datasets!r}}}
print(json.dumps([dataset_names(), asked, [one.name for one in listed], damaged]))
"""


BROKEN_SETS = {
    "does not import": ("raise OSError('no')", "cannot be loaded: OSError: no"),
    "ends the process": ("import sys; sys.exit(3)", "cannot be loaded: SystemExit: 3"),
    "has no such thing": ("", "cannot be loaded: AttributeError"),
    "is no path": ("SET = 3", "is not the path of broken.toml"),
    "is another's path": ("SET = 'other.toml'", "is not the path of broken.toml"),
    "is missing": ("SET = 'nowhere/broken.toml'", "nowhere/broken.toml"),
    "is damaged": (
        "from pathlib import Path\nSET = Path(__file__).with_name('broken.toml')\nSET.write_text('title =')",
        "Invalid value",
    ),
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Described:
    """What is said of the data sets of a distribution of which one is whole and the others are broken, by fault."""
    broken = {f"broken-{number}": source for number, (source, _) in enumerate(BROKEN_SETS.values())}
    files = {
        f"{name.replace('-', '_')}.py": source.replace("broken.toml", f"{name}.toml") for name, source in broken.items()
    }
    files |= {
        "whole_package.py": "from pathlib import Path\nSET = Path(__file__).with_name('whole.toml')",
        "whole.toml": SHOP,
    }
    lines = [f"{name} = {name.replace('-', '_')}:SET" for name in broken]
    groups = "\n".join(["[adrec.datasets]", *lines, "whole = whole_package:SET", "demo = gone:SET", ""])
    folder = install(tmp_path_factory.mktemp("broken"), "broken_package", files, groups)
    env = environment(PYTHONPATH=str(folder), ADREC_DATASETS=str(folder / "none"))
    code = describing("shop", "demo", "whole", *broken, *(f"{name}:x" for name in broken))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout))


def test_broken_data_sets_stop_only_who_asks_for_them(described: Described) -> None:
    names, asked, listed, damaged = described
    assert {"demo", "whole"} <= set(names)
    assert asked["shop"][:2] == [False, None]
    assert asked["demo"][0], "no package breaks what adrec comes with"
    assert "cannot be loaded" not in asked["demo"][2]
    assert asked["whole"] == [True, "whole", "A shop of one's own"]
    assert {"demo", "whole"} <= set(listed)
    assert len(damaged) == len(BROKEN_SETS)


@pytest.mark.parametrize(("number", "fault"), list(enumerate(BROKEN_SETS)), ids=BROKEN_SETS)
def test_who_asks_for_a_broken_data_set_is_told_what_is_wrong(described: Described, number: int, fault: str) -> None:
    names, asked, listed, damaged = described
    name, (_, said) = f"broken-{number}", BROKEN_SETS[fault]
    said = said.replace("broken.toml", f"{name}.toml")
    assert name in names
    assert said in asked[name][2]
    assert said in asked[f"{name}:x"][2]
    assert asked[name][0], "it is never taken for a file"
    assert name not in listed
    assert len([line for line in damaged if said in line and name in line]) == 1


def test_a_file_is_preprocessed_and_listed_beside_a_broken_package(tmp_path: Path, tiny_source: Path) -> None:
    folder = install(
        tmp_path / "at", "broken_package", {"broken_package.py": "raise OSError('no')"},
        "[adrec.datasets]\nbroken = broken_package:SET\n",
    )  # fmt: skip
    csv = tmp_path / "mine.csv"
    csv.write_bytes((tiny_source.parent / "tiny.csv").read_bytes())
    workspace = {"ADREC_WORKSPACE": str(tmp_path / "workspace")}
    made = typed(folder, tmp_path, "preprocess", csv, "-q", **workspace)
    assert made.exit_code == 0, made.stderr
    assert typed(folder, tmp_path, "datasets", **workspace).exit_code == 0
    asked = typed(folder, tmp_path, "preprocess", "broken", **workspace)
    assert asked.exit_code == 2
    assert "pip uninstall broken_package" in asked.stderr
