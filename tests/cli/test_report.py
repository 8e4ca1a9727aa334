"""`adrec report` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adrec_cli.pipeline.report import Reported
from tests.cli.conftest import Adrec
from tests.made_up import made_up


def test_a_report(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    typed = ("report", "shop", "-w", shop, "--out", tmp_path / "shop.html", "--no-pictures", "--threads", 1)
    done = adrec(*typed)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"stored in {tmp_path / 'shop.html'}"
    assert (tmp_path / "shop.html").read_bytes().startswith(b"<!doctype html>\n<html")
    document = json.loads(adrec(*typed, "--json").stdout)
    assert document["models"] == ["adrec"]
    assert document["size"] == (tmp_path / "shop.html").stat().st_size
    assert not (shop / "shop" / "reports" / "report.html").exists()


def test_nothing_to_report_on(adrec: Adrec, tmp_path: Path) -> None:
    done = adrec("report", "shop", "-w", tmp_path)
    assert done.exit_code == 4
    assert done.stdout == ""


def test_what_was_made_is_counted_and_what_is_missing_is_said(
    adrec: Adrec, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_up(
        Reported, path=tmp_path / "r.html", size=2_750_000, models=["adrec", "sasrec"], evaluations=3, sweeps=1,
        pictures=5, without_pictures="no matplotlib", left_out=["one is damaged"],
    )  # fmt: skip
    monkeypatch.setattr("adrec_cli.pipeline.report.report", lambda dataset, **given: made)
    done = adrec("report", "shop", "-w", shop)
    assert done.stdout.splitlines() == [
        "2 models, 3 evaluations, 1 sweep, 5 pictures, 2.8 MB", f"stored in {tmp_path / 'r.html'}",
    ]  # fmt: skip
    assert done.stderr.splitlines() == ["warning: left out: one is damaged", "without pictures: no matplotlib"]
    assert "without pictures" not in adrec("report", "shop", "-w", shop, "--no-pictures").stderr
