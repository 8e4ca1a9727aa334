"""Commands of extras that are not installed say what to type."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Adrec


def test_serving_without_its_extra(adrec: Adrec, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adrec_cli.serving.server", None)
    done = adrec("serve", "--workspace", shop, "--dataset", "shop")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "error: serving needs starlette and uvicorn", "hint: pip install 'adrec-cli[serve]'"
    ]  # fmt: skip


def test_searching_without_its_extra(adrec: Adrec, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = adrec("tune", "shop", "--search", "lambda=0.1..1", "-w", shop)
    assert done.exit_code == 2
    assert done.stderr.splitlines() == ["error: searching needs optuna", "hint: pip install 'adrec-cli[tune]'"]


def test_exporting_without_its_extra(adrec: Adrec, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    done = adrec("export", tmp_path / "m.onnx", "-w", shop, "--dataset", "shop")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == "hint: pip install 'adrec-cli[export]'"
    assert not list(tmp_path.iterdir())
