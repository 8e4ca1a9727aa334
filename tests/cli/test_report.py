"""`adrec report` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Adrec


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
