"""The plugin of the page on plugins, word for word, and a way to install a distribution of it."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adrec_cli.extending import in_use as plugins
from tests.test_readme import EVERYTHING, blocks

PAGE = EVERYTHING["adrec_cli/extending/README.md"]
(SOURCE,) = blocks("python", PAGE)
(ENTRY_POINTS,) = blocks("toml", PAGE)


@pytest.fixture(autouse=True)
def _no_plugin_stays() -> Iterator[None]:
    """Leave no plugin in use behind."""
    before = plugins.list_loaded_plugins()
    yield
    plugins._use_only(before)


@pytest.fixture
def my_model(tmp_path: Path) -> Path:
    """The file of the page."""
    path = tmp_path / "my_model.py"
    path.write_text(SOURCE)
    return path


def install(folder: Path, name: str, files: dict[str, str], entry_points: str, *, by_pip: bool = False) -> Path:
    """Install a distribution into a folder.

    Args:
        folder: to be put on PYTHONPATH.
        by_pip: or by unpacking its wheel, which is all that pip does with one like it.
        name: of the distribution.
        files: of the wheel, by path.
        entry_points: as `entry_points.txt` has them.
    """
    info = f"{name}-1.0.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entry_points,
    }
    rows = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
        for path, text in content.items()
    ]
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**content, f"{info}/RECORD": "\n".join([*rows, f"{info}/RECORD,,"])}.items():
            archive.writestr(path, text)
    if not by_pip:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        return folder
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", "--target", str(folder)]
    done = subprocess.run([*command, str(wheel)], capture_output=True, text=True, env={**os.environ})
    if done.returncode and "No module named pip" in done.stderr:
        pytest.skip("pip is not installed")
    assert done.returncode == 0, done.stderr
    return folder
