"""What `import adrec_cli` shows, and that nothing heavy is loaded to show it."""

from __future__ import annotations

import ast
import doctest
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import adrec_cli
from adrec_cli import api, errors

PACKAGE = Path(adrec_cli.__file__).parent


def test_completion_shows_all_and_loads_nothing_heavy() -> None:
    """Completers look every name up, to know what can be called."""
    code = """
import rlcompleter, sys, adrec_cli
shown = rlcompleter.Completer({"adrec_cli": adrec_cli}).attr_matches("adrec_cli.")
assert {name.rstrip("()").partition(".")[2] for name in shown} >= set(adrec_cli.__all__) - {"__version__"}, shown
assert not {"torch", "polars", "numpy", "pyarrow"} & set(sys.modules), sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_shown_is_there_and_nothing_else() -> None:
    assert {name for name in dir(adrec_cli) if not name.startswith("__")} == set(adrec_cli.__all__) - {"__version__"}
    assert all(getattr(adrec_cli, name) is not None for name in adrec_cli.__all__)
    assert adrec_cli.errors is errors
    assert all(getattr(api, name) is not None for name in api.__all__)
    for module in (adrec_cli, api):
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = module.nothing


def test_type_checkers_see_what_is_there() -> None:
    (block,) = (node for node in ast.parse((PACKAGE / "__init__.py").read_text()).body if isinstance(node, ast.If))
    typed = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == set(adrec_cli.__all__) - {"__version__"}


def test_every_function_is_documented() -> None:
    for name in adrec_cli.__all__:
        one = getattr(adrec_cli, name)
        assert isinstance(one, str) or one.__doc__, name


EXAMPLES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_examples_in_docstrings_do_what_they_say(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = ".".join(("adrec_cli", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    monkeypatch.chdir(tmp_path)
    done = doctest.testmod(import_module(name))
    assert done.attempted
    assert not done.failed


def test_there_are_examples() -> None:
    """The test above is not empty because something is written otherwise."""
    assert PACKAGE / "__init__.py" in EXAMPLES


@pytest.mark.thorough
def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    """Its examples one after the other, as somebody would paste them."""
    blocks = re.findall(r"```python\n(.*?)```", (PACKAGE / "api/README.md").read_text(), re.DOTALL)
    pasted = "\n".join(block for block in blocks if re.search(r"^(import|from) adrec_cli( |$)", block, re.MULTILINE))
    assert "preprocess(" in pasted
    assert "recommender.item_vectors()" in pasted
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", pasted],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
