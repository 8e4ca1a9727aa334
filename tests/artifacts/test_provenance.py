"""What counts as the same code: its meaning, so that a clean-up leaves every checkpoint up to date."""

from __future__ import annotations

import ast
import sys

import pytest

from adrec_cli.artifacts import provenance
from adrec_cli.artifacts.provenance import code_sha256
from adrec_cli.extending.code import meaning_of

SOURCE = '''"""Module."""

LIMIT = 3  # most


class Loss:
    """A class."""

    weight = 1.0

    def value(self, x):
        """Twice x."""
        # why
        return 2 * x


def empty():
    """Nothing but a docstring."""
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Module."""', '"""Another module."""'),
        ('"""Module."""\n', ""),
        ('"""Twice x."""', '"""x, doubled.\n\n        Args:\n            x: a number.\n        """'),
        ('        """Twice x."""\n', ""),
        ('    """A class."""\n', ""),
        ('"""Nothing but a docstring."""', "pass"),
        ("  # most", ""),
        ("        # why\n", ""),
        ("2 * x", "(2\n            * x)"),
    ],
)
def test_comments_docstrings_and_layout_mean_nothing(old, new):
    assert old in SOURCE
    changed = SOURCE.replace(old, new)
    ast.parse(changed)
    assert meaning_of(changed) == meaning_of(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("1.0", "1"),
        ("2 * x", "x * 2"),
        ("value(self, x)", "value(self, x=0)"),
        ('        """Twice x."""\n', '        "Twice x." + "!"\n'),
        ("class Loss", "@final\nclass Loss"),
    ],
)
def test_whatever_runs_counts(old, new):
    assert old in SOURCE
    assert meaning_of(SOURCE.replace(old, new)) != meaning_of(SOURCE)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Where the hash is kept in this test, in an empty folder."""
    code_sha256.cache_clear()
    monkeypatch.setattr(provenance, "_locate_hash", lambda more: tmp_path / "code.sha256")
    monkeypatch.setattr(provenance, "_NUMERIC_PACKAGES", ("diffusion",))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    yield tmp_path / "code.sha256"
    code_sha256.cache_clear()


def computed(monkeypatch, *, appended: str) -> str:
    """Return the hash of code with something behind every module."""
    with monkeypatch.context() as patched:
        patched.setattr(provenance.code, "meaning_of", lambda source: meaning_of(source + appended))
        code_sha256.cache_clear()
        return code_sha256()


def test_every_numeric_module_counts(kept, monkeypatch):
    """A change of meaning anywhere in these packages changes the hash, one of words does not."""
    before = code_sha256()
    for appended, same in (("\n# a comment", True), ("\nZ = 1", False)):
        kept.unlink()
        assert (computed(monkeypatch, appended=appended) == before) == same


def test_what_is_kept_is_of_these_very_sources(kept, monkeypatch):
    before = code_sha256()
    assert before in kept.read_text()
    # Found without looking at what the code means.
    assert computed(monkeypatch, appended="\nZ = 1") == before
    sources = provenance._read_sources(["diffusion"])
    monkeypatch.setattr(provenance, "_read_sources", lambda packages: {**sources, "diffusion/new.py": "Z = 1"})
    code_sha256.cache_clear()
    assert code_sha256() != before


@pytest.mark.parametrize("garbage", ["", "a b", "a b c", "0" * 63, "\N{SNOWMAN}"])
def test_what_is_kept_and_no_hash_is_computed_again(kept, garbage):
    before = code_sha256()
    written = kept.read_text().split()[0]
    for content in (garbage, f"{written} {garbage}", f"{'0' * 64} {'1' * 64}"):
        kept.write_text(content, encoding="utf-8")
        code_sha256.cache_clear()
        assert code_sha256() == before


def test_nothing_is_kept_where_python_keeps_nothing(kept, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    code_sha256()
    assert not kept.exists()
