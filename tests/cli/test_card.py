"""`adrec card`: what the Hub's own reader makes of it, and whether it says what the artifacts say."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.evaluation import list_evaluations, read_evaluation
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.reporting.card import _fence, _plain
from tests.cli.conftest import TINY, Adrec


@pytest.fixture(scope="module")
def measured(shop: Path, adrec: Adrec) -> Path:
    """A workspace with a model that is trained, and measured under two protocols."""
    for model in ("finetune", "mostpop"):
        done = adrec("evaluate", model, "--dataset", "shop", "-w", shop, "--threads", 1)
        assert done.exit_code == 0, done.stderr
    done = adrec("evaluate", "finetune", "--dataset", "shop", "-w", shop, "--threads", 1, "--negatives", 5)
    assert done.exit_code == 0, done.stderr
    return shop


@pytest.fixture(scope="module")
def card(measured: Path, adrec: Adrec, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("card") / "README.md"
    done = adrec("card", "shop", "-w", measured, "--licence", "cc-by-4.0", "--out", path)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == ["adrec, stage finetune, 2 evaluations", f"stored in {path}"]
    return path.read_text(encoding="utf-8")


def figures(measured: Path) -> dict[str, dict[str, float]]:
    found = [read_evaluation(path) for path in list_evaluations(measured / "shop")]
    return {one.protocol: one.metrics for one in found if one.model == "adrec"}


def test_the_hub_reads_its_head(card: str, measured: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    data: Any = hub.ModelCard(card).data
    assert (data.library_name, data.license, data.model_name) == ("adrec", "cc-by-4.0", "ADRec")
    assert data.tags == ["recommendation", "sequential-recommendation", "adrec"]
    expected = figures(measured)
    assert len(data.eval_results) == 2 * 6
    for result in data.eval_results:
        assert result.metric_value == pytest.approx(expected[result.dataset_config][result.metric_type], abs=1e-6)
        assert (result.task_type, result.dataset_type) == ("sequential-recommendation", "shop")


def test_it_says_what_the_artifacts_say(card: str, measured: Path) -> None:
    manifest = read_manifest(measured / "shop")
    for stage in ("pretrain", "align", "finetune"):
        assert file_sha256(measured / f"shop/adrec/{stage}.safetensors") in card
    assert manifest.sequences_sha256 in card
    assert "| licence | not known to adrec |" in card
    for protocol, metrics in figures(measured).items():
        assert f"Protocol `{protocol}`" in card
        assert f"| adrec | {metrics['ndcg@10']:.4f} [" in card
    assert "| mostpop | " in card


def test_its_commands_can_be_typed(card: str, measured: Path, adrec: Adrec, tmp_path: Path) -> None:
    lines = [line for line in card.splitlines() if line.startswith("adrec ")]
    assert [shlex.split(line)[1] for line in lines] == ["recommend", "preprocess", "train", "evaluate", "evaluate"]
    typed = shlex.split(lines[0].replace(" ID", " u00"))[1:]
    assert adrec(*typed, "-w", measured).exit_code == 0
    (python,) = re.findall(r"^```python\n(.*?)^```", card, re.M | re.S)
    (path,) = re.findall(r'load_recommender\("workspace/(.*)"\)', python)
    assert (measured / path).is_file()


def test_it_is_the_same_each_time_and_lies_in_the_reports(measured: Path, adrec: Adrec, card: str) -> None:
    for _ in range(2):
        made = json.loads(adrec("card", "shop", "-w", measured, "--licence", "cc-by-4.0", "--json").stdout)
        assert Path(made["path"]) == measured / "shop/reports/card-adrec.md"
        assert Path(made["path"]).read_text(encoding="utf-8") == card
    assert adrec("verify", "-w", measured).exit_code == 0


def test_nothing_that_was_not_measured_is_claimed(trained_shop: Path, adrec: Adrec, tmp_path: Path) -> None:
    shutil.copytree(trained_shop, tmp_path / "ws")
    assert adrec("card", "shop", "-w", tmp_path / "ws", "--out", tmp_path / "card.md").exit_code == 0
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "Not measured yet: `adrec evaluate workspace/shop/adrec/finetune.safetensors`" in text
    assert "license:" not in text
    assert "NDCG" not in text


def test_one_of_several_models_is_named(measured: Path, adrec: Adrec, tmp_path: Path) -> None:
    shutil.copytree(measured, tmp_path / "ws")
    done = adrec("train", "shop", "--model", "sasrec", "--epochs", 1, *TINY, "-w", tmp_path / "ws")
    assert done.exit_code == 0, done.stderr
    refused = adrec("card", "shop", "-w", tmp_path / "ws")
    assert refused.exit_code == 2
    assert "several models are trained: adrec, sasrec" in refused.stderr
    done = adrec("card", "shop", "-w", tmp_path / "ws", "--model", "sasrec", "--out", tmp_path / "card.md")
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert text.count("safetensors") >= 1
    assert "Not measured yet" in text, "what was measured is another model"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--licence", "MIT License"), 2, "--licence must be an identifier, got 'MIT License'"),
        (("--model", "gru4rec"), 4, "no model 'gru4rec' is trained on the current data of "),
        (("--model", "gru4rec"), 4, "hint: adrec train shop --model gru4rec"),
        (("--out", "workspace"), 2, ""),
    ],
)
def test_what_cannot_be_described_is_refused(
    measured: Path, adrec: Adrec, arguments: tuple[str, ...], code: int, said: str
) -> None:
    given = [str(measured / "shop/manifest.json") if one == "workspace" else one for one in arguments]
    done = adrec("card", "shop", "-w", measured, *given)
    assert done.exit_code == code, done.stderr
    assert said in done.stderr


def test_markup_of_the_data_is_shown_as_it_stands() -> None:
    assert _plain("a|b <i>x</i>\n# `c` [d](e) \u202e") == "a\\|b \\<i\\>x\\</i\\> \\# \\`c\\` \\[d\\](e) \\\\u202e"
    assert _fence("sh", "echo ````") == "`````sh\necho ````\n`````"
