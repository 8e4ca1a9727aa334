"""Words that readers stumble over stay out of docstrings, comments, messages and pages; each has a plain form."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_KINDS = (".py", ".md")

_UNIT = "(user|row|line|item|event|epoch|command|record|case|metric|package|run|seed|step|stage|token|sample)"
PLAIN = {
    "train it anew": (r"\banew\b", "train it again"),
    "rivals: whom each competes with": (r"\b(?<!for )whom\b", "the items each competes with"),
    "k: at most so many": (r"\bso many\b(?!.*\bthat\b)", "k: largest number of items"),
    "commas or the like": (r"\bthe like\b", "commas or similar"),
    "in the place of": (r"\bin the place of\b", "in place of"),
    "mend the file": (r"\bmend(s|ed)?\b", "fix the file"),
    "can be gone on with": (r"\bgone on with\b", "can be resumed"),
    "what it says of itself": (r"\bsays? (of|for) itself\b", "its metadata, what it records"),
    "nothing of it was taken": (r"\bnothing of (it|them|adrec)\b", "none of it was taken"),
    "an id comes again": (r"\b(comes?|came) again\b(?! for)", "an id is repeated"),
    "on_event: told what happens": (r"\btold\b", "called with, reported, shown, asked to"),
    "a text is no number": (
        r"(?<!there )\b(is|was) no (list|number|time|text|id|shard|form|JSON|date|table|name)\b(?! (of|for|to)\b)",
        "is not a number",
    ),
    "for want of memory": (r"\bfor want of\b", "for lack of memory"),
    "a user comes twice": (r"\bcomes? twice\b", "a user appears twice"),
    "call it otherwise": (r"\bcall it otherwise\b", "choose another name"),
    "tell somebody": (r"\btells? somebody\b", "alert someone"),
    "the server goes on answering": (
        r"\bgo(es)? on (answering|reading|training|using)\b",
        "the server keeps answering",
    ),
    "one row a user": (
        rf"\b(?<!the )one (?!sequence)(\w+ )?an? {_UNIT}\b(?! (of|for|that|user sees)\b)",
        "one per user",
    ),
}
"""What is not written -> its pattern, and what is written instead. Notes in manifests say "one sequence a line"."""

ALLOWED = ("tests/test_language.py", "tests/test_function_names.py", "CHANGELOG.md")


def prose(code: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of the comments and strings of a module, without the code inside f-strings."""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.COMMENT)):
            for offset, line in enumerate(token.string.splitlines()):
                # Twice, as formats may hold braces too.
                yield token.start[0] + offset, re.sub(r"\{[^{}]*\}", "", re.sub(r"\{[^{}]*\}", "", line))


def every_text() -> Iterator[tuple[str, int, str]]:
    """Yield file, line number and text of all comments, strings and pages in which a pattern may be found."""
    folders = [ROOT / name for name in ("adrec_cli", "tests", "datasets")]
    paths = [*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*") if path.suffix in _KINDS)]
    suspect = re.compile("|".join(pattern for pattern, _ in PLAIN.values()), re.I)
    for path in sorted(paths):
        name = path.relative_to(ROOT).as_posix()
        if name in ALLOWED or not suspect.search(text := path.read_text(encoding="utf-8")):
            continue
        lines = prose(text) if name.endswith(".py") else enumerate(text.splitlines(), 1)
        yield from ((name, number, line) for number, line in lines)


@pytest.fixture(scope="module")
def texts() -> list[tuple[str, int, str]]:
    return list(every_text())


@pytest.mark.parametrize("phrase", PLAIN)
def test_every_text_is_plain(phrase: str, texts: list[tuple[str, int, str]]) -> None:
    pattern, plain = PLAIN[phrase]
    assert re.search(pattern, phrase, re.I), "the pattern finds what it is for"
    assert not re.search(pattern, plain, re.I)
    found = [f"{name}:{number}: {line.strip()}" for name, number, line in texts if re.search(pattern, line, re.I)]
    assert not found, f"not {phrase!r} but {plain!r}:\n" + "\n".join(found)
