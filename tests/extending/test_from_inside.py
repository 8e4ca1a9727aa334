"""What the pages say of adding to adrec itself is all there is to do, tried in a copy of the source tree."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import pytest

from tests.extending.conftest import SOURCE
from tests.robustness.processes import read_adrec_again
from tests.robustness.processes import typed as typed_in_a_fork
from tests.test_readme import ROOT

FUNCTIONS = {"hinge": SOURCE[SOURCE.index("def hinge") : SOURCE.index("def rank_biased")],
             "rank_biased": SOURCE[SOURCE.index("def rank_biased") : SOURCE.index("MODELS = ")]}  # fmt: skip
SHOP = 'title = "Ours"\nlicence = "none"\ncitation = "none"\n[[sources]]\nfiles = ["tiny.csv"]\n'


def insert(path: Path, before: str, text: str) -> None:
    """Write text in front of the one place where something stands."""
    source = path.read_text()
    assert source.count(before) == 1, f"{before} in {path}"
    path.write_text(source.replace(before, text + before))


@pytest.mark.thorough
def test_a_file_and_a_line_each(tmp_path: Path, tiny_source: Path) -> None:
    shutil.copytree(ROOT / "adrec_cli", tmp_path / "adrec_cli", ignore=shutil.ignore_patterns("__pycache__"))
    package, data = tmp_path / "adrec_cli", tmp_path / "adrec_cli/datasets"
    shutil.copytree(ROOT / "datasets", data)
    # A model: a file, a line.
    (package / "models/markov.py").write_text(SOURCE[: SOURCE.index("def hinge")])
    insert(
        package / "models/registry.py", '        "mostpop":', '        "markov": "adrec_cli.models.markov:Markov",\n'
    )
    # A loss: a function, a line.
    insert(package / "training/sampled_losses.py", "class SampledLossOptions", FUNCTIONS["hinge"])
    insert(
        package / "models/stages.py",
        '        "sampled_softmax":',
        '        "hinge": "adrec_cli.training.sampled_losses:hinge",\n',
    )
    # A metric: a function, its name.
    insert(package / "ranking/metrics.py", "Metric = Callable", FUNCTIONS["rank_biased"])
    insert(package / "ranking/metrics.py", '"mrr": reciprocal_rank', '"rbp": rank_biased, ')
    # A data set: a file.
    (data / "ours.toml").write_text(SHOP)

    def typed(*arguments: object) -> str:
        again = functools.partial(read_adrec_again, tmp_path, {"ADREC_RAW": str(tiny_source.parent)})
        done = typed_in_a_fork([*arguments, "-w", tmp_path / "workspace"], tmp_path, again)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    typed("preprocess", "ours")
    typed("train", "ours", "--model", "markov", "--set", "stages.train.ranking_loss=hinge", "--monitor", "rbp@10",
          "--epochs", 1, "--threads", 1)  # fmt: skip
    compared = json.loads(typed("compare", "ours", "--json"))
    assert {model["name"]: "rbp@10" in model["metrics"] for model in compared["models"]} == {
        "mostpop": True, "markov": True,
    }  # fmt: skip
