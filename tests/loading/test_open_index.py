"""An index is used on a CPU, by the promoted model it was made of, while that has the same items; and by no other."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import torch

from adrec_cli.loading.current import Found
from adrec_cli.loading.making_ready import _open_index
from adrec_cli.loading.new_items import Known


@pytest.mark.parametrize(
    ("sha256", "device", "stored", "items", "used"),
    [
        ("s", "cpu", 40, 40, True), ("s", "cpu", 40, 41, False), ("s", "cpu", 40, 39, False),
        ("s", "cpu", None, 40, False), (None, "cpu", 40, 40, False), ("s", "meta", 40, 40, False),
    ],
)  # fmt: skip
def test_it_is_used_where_it_fits(
    monkeypatch: pytest.MonkeyPatch, sha256: str | None, device: str, stored: int | None, items: int, used: bool
) -> None:
    pytest.importorskip("faiss", reason="the extra index is not installed")

    def read(path: Path, sha256: str) -> tuple[SimpleNamespace, SimpleNamespace] | None:
        assert (path, sha256) == (Path("m"), "s")
        return None if stored is None else (SimpleNamespace(items=stored, pool=7), SimpleNamespace(items=41))

    monkeypatch.setattr("adrec_cli.loading.making_ready.read_index_of", read)
    monkeypatch.setattr("adrec_cli.ranking.approximate.ItemIndex", lambda codes, pool: (codes.items, pool))
    known = Known(model=None, metadata=None, items=pl.DataFrame({"item_id": range(items)}))  # type: ignore[arg-type]
    found = _open_index(Found(path=Path("m"), sha256=sha256), known, torch.device(device))
    assert found == ((41, 7) if used else None)
