"""What counts as the same code: its meaning, so that a clean-up leaves every checkpoint up to date."""

from __future__ import annotations

import ast

import pytest

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


def test_every_numeric_module_counts(monkeypatch):
    """A change of meaning anywhere in these packages changes the hash, one of words does not."""
    before = code_sha256()
    monkeypatch.setattr(
        "adrec_cli.artifacts.provenance.meaning_of", lambda source: meaning_of(source + "\n# a comment")
    )
    code_sha256.cache_clear()
    assert code_sha256() == before
    monkeypatch.setattr("adrec_cli.artifacts.provenance.meaning_of", lambda source: meaning_of(source + "\nZ = 1"))
    code_sha256.cache_clear()
    assert code_sha256() != before
    code_sha256.cache_clear()
