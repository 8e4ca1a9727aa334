"""Notebooks run from top to bottom as they stand, and what they show can be shown."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
DISPLAY = """
def display(number, value):
    if hasattr(value, "savefig"):
        value.savefig(f"{number}.png")
    elif hasattr(value, "_repr_html_"):
        with open(f"{number}.html", "w", encoding="utf-8") as file:
            file.write(value._repr_html_())
"""
"""What a notebook does with the last expression of a cell."""


def write_script(notebook: Path) -> str:
    """Return all cells as one script, in which the last expression of each is displayed."""
    lines = [DISPLAY]
    for number, cell in enumerate(json.loads(notebook.read_text())["cells"]):
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        body = ast.parse("".join(cell["source"])).body
        if isinstance(body[-1], ast.Expr):
            shown = ast.unparse(body.pop().value)
            lines += [ast.unparse(ast.Module(body, [])), f"display({number}, {shown})"]
        else:
            lines.append(ast.unparse(ast.Module(body, [])))
    return "\n".join(lines)


@pytest.mark.parametrize("notebook", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_tables_and_pictures(notebook: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", write_script(notebook)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pictures, tables = list(tmp_path.glob("*.png")), list(tmp_path.glob("*.html"))
    assert [path.read_bytes()[:4] for path in pictures] == [b"\x89PNG"]
    assert len(tables) == 6
    assert all("<table" in path.read_text() for path in tables)


def test_there_are_notebooks() -> None:
    """The test above is not empty because something lies elsewhere."""
    assert list(FOLDER.glob("*.ipynb"))
