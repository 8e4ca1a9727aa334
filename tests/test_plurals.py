"""Counts in messages: whatever may be one is said by `say_count`, as "1 users" is no English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adrec_cli.wording import inflect, say_count

PACKAGE = Path(__file__).resolve().parents[1] / "adrec_cli"
NOUNS = frozenset(
    """
    artifacts batches bytes candidates cells characters columns connections copies cores downloads draws entries epochs
    evaluations events fields files generations histories hours ids interactions items lines lists matrices models
    negatives nights numbers options parameters parts positions processes queries ranks requests rows runs samples
    seconds seeds sequences settings shards states steps tables targets tensors threads times tokens trials users values
    vectors weights words
    """.split()  # noqa: SIM905
)
_COUNTED = re.compile(rf" (?:[a-z-]+ ){{0,2}}?(?:{'|'.join(sorted(NOUNS))})\b(?!/)")
_NOT_OF_IT = re.compile(r" (?:of|in|among) ")
_COUNTS = NOUNS | {"count", "total", "width", "earlier", "height", "here", "twice", "size"}
"""Names of numbers of things."""


def find_bare_counts(source: str) -> Iterator[str]:
    """Yield the counts that stand right before a plural noun in an f-string; a constant is known not to be one."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            text = str(after.value)
            if _COUNTED.match(text) and not _NOT_OF_IT.match(text) and _is_count(value):
                yield f"{ast.unparse(value.value)}{text[:30]}"


def _is_count(formatted: ast.FormattedValue) -> bool:
    """Return whether a value is written as a whole number, is a length, or is called as what it counts."""
    counted, name = formatted.value, ast.unparse(formatted.value).rpartition(".")[2].strip("_")
    if name.isupper():
        return False
    spec = "" if formatted.format_spec is None else ast.unparse(formatted.format_spec).strip("f'\"")
    called = name if not isinstance(counted, ast.Subscript) else ast.unparse(counted.slice).strip("'\"")
    lengths = any(isinstance(one, ast.Call) and ast.unparse(one.func) == "len" for one in ast.walk(counted))
    return spec == "," or (not spec and (called in _COUNTS or (lengths and "say_count" not in ast.unparse(counted))))


def test_no_count_stands_right_before_a_plural() -> None:
    found = {str(path.relative_to(PACKAGE)): list(find_bare_counts(path.read_text())) for path in PACKAGE.rglob("*.py")}
    assert len(found) > 500
    assert not {path: bare for path, bare in found.items() if bare}


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("{n:,} users", True),
        ("only {len(rows)} unknown users", True),
        ("{told.threads} threads", True),
        ("{found['users']:,} users", True),
        ("{MOST:,} users", False),
        ("{share:.0%} of users", False),
        ("{path} has users", False),
        ("{path} users", False),
        ("{say_count(len(rows), 'user')} of items", False),
        ("{rate:,} items/s", False),
    ],
)
def test_what_is_a_bare_count(text: str, bare: bool) -> None:
    assert bool(list(find_bare_counts(f'f"{text}"'))) is bare


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1000, "1,000 entries")]
)
def test_one_is_singular(number: int, said: str) -> None:
    assert say_count(number, "entry", "entries") == said
    assert say_count(number, "new item") == f"{number:,} new item{'' if number == 1 else 's'}"
    assert inflect(number, "is", "are") == ("is" if number == 1 else "are")
