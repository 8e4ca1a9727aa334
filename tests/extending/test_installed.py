"""A small distribution adds a model, a loss, a metric and a data set; none of it runs before it is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment
from tests.extending.conftest import ENTRY_POINTS, SOURCE, install

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
    return install(tmp_path_factory.mktemp("installed"), "my_package", files, GROUPS)


def typed(installed: Path, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    """Type a command in a process that finds the distribution."""
    command = [sys.executable, "-m", "adrec_cli", *map(str, arguments)]
    env = environment(PYTHONPATH=str(installed), ADREC_DATASETS=str(installed / "none"), **env)
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)


def test_it_is_read_trained_and_compared(installed: Path, tmp_path: Path, tiny_source: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/my-shop.csv").write_bytes((tiny_source.parent / "tiny.csv").read_bytes())
    workspace = {"ADREC_WORKSPACE": str(tmp_path / "workspace"), "ADREC_RAW": str(tmp_path / "raw")}
    shown = typed(installed, "datasets", "show", "my-shop", **workspace)
    assert "A shop of one's own" in shown.stdout, shown.stderr
    assert typed(installed, "preprocess", "my-shop", "-q", **workspace).returncode == 0
    trained = typed(
        installed, "train", "my-shop", "--model", "markov", "--epochs", 1, "--monitor", "rbp@10", "--threads", 1,
        "--set", "stages.train.ranking_loss=hinge", **workspace,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    compared = typed(installed, "compare", "my-shop", "--json", **workspace)
    assert compared.returncode == 0, compared.stderr
    assert {model["name"]: "rbp@10" in model["metrics"] for model in json.loads(compared.stdout)["models"]} == {
        "mostpop": True, "markov": True,
    }  # fmt: skip
    missing = typed(tmp_path, "evaluate", "train", "--dataset", "my-shop", **workspace)
    assert missing.returncode == 4
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


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["--version"], ["status"], ["recommend"]], ids=" ".join
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


def test_one_that_is_broken_says_which_to_uninstall(tmp_path: Path) -> None:
    folder = install(
        tmp_path / "broken", "broken_package", {"broken_package.py": "raise OSError('no')"},
        "[adrec.models]\nbroken = broken_package:Model\n",
    )  # fmt: skip
    done = typed(folder, "train", "demo", "--model", "broken")
    assert done.returncode == 2
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


@pytest.mark.parametrize("fault", BROKEN_SETS)
def test_a_broken_data_set_stops_only_who_asks_for_it(tmp_path: Path, fault: str) -> None:
    source, said = BROKEN_SETS[fault]
    groups = "[adrec.datasets]\nbroken = broken_package:SET\nwhole = broken_package.whole:SET\ndemo = gone:SET\n"
    files = {
        "broken_package.py": source,
        "whole_package.py": "from pathlib import Path\nSET = Path(__file__).with_name('whole.toml')",
        "whole.toml": SHOP,
    }
    folder = install(tmp_path / "at", "broken_package", files, groups.replace("broken_package.whole", "whole_package"))
    env = environment(PYTHONPATH=str(folder), ADREC_DATASETS=str(tmp_path / "none"))
    code = describing("shop", "demo", "whole", "broken", "broken:x")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    names, asked, listed, damaged = json.loads(done.stdout)
    assert {"demo", "whole", "broken"} <= set(names)
    assert asked["shop"][:2] == [False, None]
    assert asked["demo"][0], "no package breaks what adrec comes with"
    assert "cannot be loaded" not in asked["demo"][2]
    assert asked["whole"] == [True, "whole", "A shop of one's own"]
    assert said in asked["broken"][2]
    assert said in asked["broken:x"][2]
    assert asked["broken"][0], "it is never taken for a file"
    assert {"demo", "whole"} <= set(listed)
    assert "broken" not in listed
    assert [said in line for line in damaged] == [True]


def test_a_file_is_preprocessed_and_listed_beside_a_broken_package(tmp_path: Path, tiny_source: Path) -> None:
    folder = install(
        tmp_path / "at", "broken_package", {"broken_package.py": "raise OSError('no')"},
        "[adrec.datasets]\nbroken = broken_package:SET\n",
    )  # fmt: skip
    csv = tmp_path / "mine.csv"
    csv.write_bytes((tiny_source.parent / "tiny.csv").read_bytes())
    workspace = {"ADREC_WORKSPACE": str(tmp_path / "workspace")}
    made = typed(folder, "preprocess", csv, "-q", **workspace)
    assert made.returncode == 0, made.stderr
    assert typed(folder, "datasets", **workspace).returncode == 0
    asked = typed(folder, "preprocess", "broken", **workspace)
    assert asked.returncode == 2
    assert "pip uninstall broken_package" in asked.stderr
