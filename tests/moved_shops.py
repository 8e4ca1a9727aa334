"""A shop after each of two nights, and what of a workspace a push and a pull must carry over."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.robustness.shop import NIGHT, Shop, events_of


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Workspaces with the data set "shop" after its first and after its second night, the second promoted too."""
    shop = Shop(tmp_path_factory.mktemp("nights"))
    shop.makes(users=range(12))
    assert shop.types("run", shop.folder / "shop.csv", *NIGHT).exit_code == 0
    (shop.dataset / "sweeps/steps").mkdir(parents=True)
    (shop.dataset / "sweeps/steps/best.toml").write_text("[model]\n")
    first = shop.folder / "first"
    shutil.copytree(shop.workspace, first)
    shop.arrives("monday.csv", events_of(range(14), 1))
    assert shop.night().exit_code == 0
    return first, shop.workspace


def read_visible(folder: Path) -> Mapping[str, bytes]:
    """Return the content of every file of a folder but hidden ones, by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder): path for path in files}
    return {str(name): path.read_bytes() for name, path in found.items() if not any(p[0] == "." for p in name.parts)}
