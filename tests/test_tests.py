"""Every test can fail, and one sees where: it asserts itself, or calls what says by its name that it does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
RAISING = ("raises", "warns", "fail")
SAYING = ("require_", "_require_", "assert_")


def asserts(function: ast.FunctionDef) -> bool:
    """Return whether a test asserts, calls something called require_..., or runs a process that must end well."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.keyword) and node.arg == "check" and getattr(node.value, "value", None) is True:
            return True
        called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        if called in RAISING or called.startswith(SAYING):
            return True
    return False


@pytest.fixture(scope="module")
def silent() -> list[tuple[Path, str]]:
    """The tests, and what says that it asserts, that neither assert nor call what says that it does."""
    return [
        (path.relative_to(ROOT), node.name)
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith(("test_", *SAYING)) and not asserts(node)
    ]


def test_every_test_asserts_or_says_that_what_it_calls_does(silent: list[tuple[Path, str]]) -> None:
    assert not [(path, name) for path, name in silent if path.name.startswith("test_") and name.startswith("test_")]


def test_what_says_that_it_asserts_does(silent: list[tuple[Path, str]]) -> None:
    assert not [(path, name) for path, name in silent if name.startswith(SAYING)]


def test_one_that_cannot_fail_is_found() -> None:
    def made(body: str) -> ast.FunctionDef:
        (test,) = ast.parse(f"def test_it(x):\n    {body}").body
        assert isinstance(test, ast.FunctionDef)
        return test

    for body in ("x.run()", "check(x)", "subprocess.run(x)", "subprocess.run(x, check=False)"):
        assert not asserts(made(body)), body
    for body in ("assert x", "require_whole(x)", "x.require_whole()", "subprocess.run(x, check=True)"):
        assert asserts(made(body)), body
