"""`adrec plot` on a trained workspace."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

from adrec_cli.loading.opening import open_dataset
from adrec_cli.pictures.item_vectors import _name_unwritten
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import display_name
from adrec_cli.pictures.slices import slices
from adrec_cli.plots.style import Look
from tests.cli.conftest import TINY, Adrec

STUDY = {
    "dataset": "shop", "model": "adrec", "protocol": "loo/full/test", "cases": 40, "noise": "seeded", "seed": 0,
    "device": "cpu", "threads": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def plotted(tmp_path_factory: pytest.TempPathFactory, shop: Path, adrec: Adrec) -> Path:
    """The shop evaluated and swept."""
    workspace = tmp_path_factory.mktemp("plotted") / "workspace"
    shutil.copytree(shop, workspace)
    assert adrec("evaluate", "finetune", "-w", workspace, "-q").exit_code == 0
    assert adrec("evaluate", "mostpop", "-w", workspace, "-q").exit_code == 0
    swept = adrec("sweep", "shop", "--vary", "lambda=0.001,0.1", "--epochs", 1, *TINY, "-w", workspace, "-q")
    assert swept.exit_code == 0, swept.stderr
    return workspace


def test_everything_there_is_is_drawn_and_repeats(adrec: Adrec, plotted: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.json"
    rows = [{"steps": n, "metrics": {"ndcg@10": 0.2}, "seconds": n, "milliseconds_per_target": n / 40} for n in (1, 4)]
    study.write_text(json.dumps({**STUDY, "rows": rows}))
    done = adrec("plot", "-w", plotted, "--json", "--steps", study)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    names = {
        "steps-adrec-study",
        "curves-adrec",
        "embeddings-popularity",
        "spectrum",
        "slices-loo-full-test",
        "sweep-lambda",
    }
    assert {one["name"] for one in found["pictures"]} == names
    assert found["skipped"] == []
    about = {one["name"]: one["about"] for one in found["pictures"]}
    assert all("shop" in told for told in about.values())
    assert about["spectrum"].startswith("shop, 12 items; ")
    assert "shop, 12 items; validation " in about["curves-adrec"]
    again = adrec("plot", "-w", plotted, "--out", tmp_path, "--steps", study)
    assert again.exit_code == 0, again.stderr
    assert f"stored as .png and .svg in {tmp_path}" in again.stdout
    for name in names:
        for suffix in (".png", ".svg"):
            first = (plotted / "shop/reports" / f"{name}{suffix}").read_bytes()
            assert first == (tmp_path / f"{name}{suffix}").read_bytes(), name
    assert adrec("verify", "-w", plotted).exit_code == 0


def test_a_picture_for_a_paper(adrec: Adrec, plotted: Path, tmp_path: Path) -> None:
    look = ("--format", "pdf", "--width", 5, "--font", "DejaVu Serif", "--no-title")
    flags = ("plot", "-w", plotted, "--only", "slices", "--only", "sweeps", *look)
    done = adrec(*flags, "--out", tmp_path / "one", "--json")
    assert done.exit_code == 0, done.stderr
    pictures = json.loads(done.stdout)["pictures"]
    assert [(one["png"], one["svg"]) for one in pictures] == [(None, None)] * 2
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {Path(one["pdf"]).name for one in pictures} == {"slices-loo-full-test.pdf", "sweep-lambda.pdf"}
    again = adrec(*flags, "--out", tmp_path / "two")
    assert f"stored as .pdf in {tmp_path / 'two'}" in again.stdout
    for name in names:
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes()
        # 5 inches of 72 points.
        assert b"/MediaBox [ 0 0 360 " in content
    assert "NDCG@10" in again.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--format", "eps"), "unknown format 'eps' of pictures"),
        (("--width", "2"), "--width must be between 5 and 40, got 2"),
        (("--width", "nan"), "--width must be a finite number, got nan"),
        (("--font", "No Such Font"), "there is no font 'No Such Font'"),
    ],
)
def test_a_look_there_is_not_is_refused_before_anything_is_drawn(
    adrec: Adrec, shop: Path, tmp_path: Path, flags: tuple[str, str], message: str
) -> None:
    done = adrec("plot", "-w", shop, "--out", tmp_path / "out", *flags)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "curves ..." not in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_there_is_not_is_said(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(shop, workspace, ignore=shutil.ignore_patterns("reports"))
    done = adrec("plot", "-w", workspace, "--items", 8)
    assert done.exit_code == 0, done.stderr
    assert "no picture of slices: shop has no evaluation" in done.stderr
    assert "no picture of sweeps: shop has no result of a sweep" in done.stderr
    asked = adrec("plot", "-w", workspace, "--only", "sweeps")
    assert asked.exit_code == 4
    assert "adrec sweep shop" in asked.stderr
    unknown = adrec("plot", "-w", workspace, "--only", "pie")
    assert unknown.exit_code == 2
    assert "curves, embeddings, spectrum, slices, sweeps, steps" in unknown.stderr


def test_only_the_last_stage_of_a_model_stands_for_it(adrec: Adrec, plotted: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(plotted, workspace)
    assert adrec("evaluate", "pretrain", "-w", workspace, "-q").exit_code == 0
    (picture,) = slices(open_dataset(workspace / "shop"), PictureOptions())
    (legend,) = [axes.get_legend() for axes in picture.figure.axes]
    assert [text.get_text() for text in legend.get_texts()] == [display_name(name) for name in ("adrec", "mostpop")]


ROW = {"steps": 1, "metrics": {"ndcg@10": 0.2}, "seconds": 1, "milliseconds_per_target": 0.1}
NO_STUDY = "is not what an evaluation at several numbers of steps prints"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", NO_STUDY),
        ("[]", NO_STUDY),
        ("{}", NO_STUDY),
        (json.dumps({**STUDY, "rows": []}), NO_STUDY),
        (json.dumps(STUDY), NO_STUDY),
        (json.dumps({**STUDY, "dataset": "other", "rows": [ROW]}), "is of other, not of shop"),
    ],
)
def test_figures_of_steps_are_checked(adrec: Adrec, shop: Path, tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "study.json").write_text(content)
    done = adrec("plot", "-w", shop, "--only", "steps", "--steps", tmp_path / "study.json")
    assert done.exit_code == 3
    assert f"study.json {reason}" in " ".join(done.stderr.split())


def test_a_damaged_log_is_named(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    shutil.copytree(shop, tmp_path / "workspace")
    (tmp_path / "workspace/shop/adrec/align.jsonl").write_text('{"seconds": 1}\n')
    done = adrec("plot", "-w", tmp_path / "workspace", "--only", "curves")
    assert done.exit_code == 4
    assert "align.jsonl is damaged" in done.stderr


def test_without_the_extra(adrec: Adrec, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = adrec("plot", "-w", shop, "--only", "curves")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == "hint: pip install 'adrec-cli[plots]'"


def test_curves_over_epochs_and_categories_the_font_cannot_write(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    (found,) = json.loads(
        adrec("plot", "-w", shop, "--only", "curves", "--over", "epochs", "--out", tmp_path, "--json").stdout
    )["pictures"]
    assert (found["name"], found["note"]) == ("curves-adrec", "")
    by_time = adrec("plot", "-w", shop, "--only", "curves", "--out", tmp_path / "time")
    assert by_time.exit_code == 0, by_time.stderr
    assert (tmp_path / "curves-adrec.png").read_bytes() != (tmp_path / "time/curves-adrec.png").read_bytes()
    refused = adrec("plot", "-w", shop, "--only", "curves", "--over", "steps")
    assert refused.exit_code == 2
    assert "one of: time, epochs" in refused.stderr
    assert _name_unwritten(["Tee", "冒険", "冒険", None], Look()) == (
        "category 1 is 冒険: the font lacks these letters, and font= names another"
    )
    assert _name_unwritten(["Tee"], Look()) == ""
