"""Ids that would act on a terminal or in a spreadsheet are only shown."""

from __future__ import annotations

import contextlib
import csv as csv_module
import functools
import json
import os
import pty
import select
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.artifacts.harmless_text import harmless, harmless_json, harmless_lines
from adrec_cli.artifacts.recommendation_file import quote_formulas
from tests.robustness.processes import TINY, Ended, Running, typed, typed_here

EVIL = ["=cmd|calc!A0", "x\u009b31mRED", "y\x1b[31mESC", "\u202eevil", "+1", "-2", "@sum", "z"]
ACTING = ("\x1b", "\x9b", "\u202e")


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose item ids and whose users' would act."""
    folder = tmp_path_factory.mktemp("evil")
    with (folder / "evil.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv_module.writer(file)
        rows.writerow(["user_id", "item_id", "timestamp"])
        rows.writerows((f"=u{k % 12}", EVIL[k % len(EVIL)], 1_600_000_000 + k * 60) for k in range(200))
    done = typed(["run", folder / "evil.csv", "--workspace", folder / "ws", *TINY], folder)
    assert done.exit_code == 0, done.stderr
    return folder / "ws"


def onto(terminal: str) -> None:
    """Let stdout be a terminal."""
    os.dup2(os.open(terminal, os.O_WRONLY | os.O_NOCTTY), 1)


def on_a_terminal(words: list[object], folder: Path) -> str:
    """Type a command whose stdout is a terminal, and return what it shows."""
    leader, follower = pty.openpty()
    running = Running(words, folder, functools.partial(onto, os.ttyname(follower)))
    shown = b""
    while running.process.is_alive():
        if select.select([leader], [], [], 0.05)[0]:
            shown += os.read(leader, 65536)
    os.close(follower)
    # Nobody holds the other end any longer: what is left is read, and then that is an error.
    with contextlib.suppress(OSError):
        while chunk := os.read(leader, 65536):
            shown += chunk
    os.close(leader)
    assert running.ended().exit_code == 0
    return shown.decode()


def recommend(workspace: Path, *more: object) -> Ended:
    return typed_here(["recommend", "--include-seen", "--workspace", workspace, "-q", *more])


@pytest.mark.parametrize("words", [["--user", "=u1"], ["--user", "=u1", "--json"], ["--user", "\u202e\x9bnobody"]])
def test_nothing_acts_on_a_terminal(evil: Path, words: list[str]) -> None:
    ended = recommend(evil, *words)
    for text in (ended.stdout, ended.stderr):
        assert not any(char in text for char in ACTING), repr(text)


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_nothing_acts_on_a_terminal_that_a_batch_is_shown_on(evil: Path, tmp_path: Path, format: str) -> None:
    words = ["recommend", "--include-seen", "--all", "--out", "-", "--format", format, "--workspace", evil, "-q"]
    shown = on_a_terminal(words, tmp_path)
    assert "ESC" in shown
    assert not any(char in shown for char in ACTING), repr(shown[:2000])
    # Through a pipe, for programs, everything is as it is.
    assert "\x1b[31mESC" in typed(words, tmp_path).stdout.replace("\\u001b", "\x1b")


def test_json_says_the_same(evil: Path) -> None:
    found = json.loads(recommend(evil, "--user", "=u1", "-k", 8, "--json").stdout)
    ids = {item["item_id"] for item in found["results"][0]["items"]}
    assert ids == set(EVIL)


@given(st.recursive(st.text() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_harmless_json_is_the_same_json(content: object) -> None:
    text = harmless_json(json.dumps(content, ensure_ascii=False))
    assert json.loads(text) == content
    assert harmless(text.replace("\n", "")) == text.replace("\n", "")


@given(st.text())
def test_harmless_lines_keep_their_lines(text: str) -> None:
    assert harmless_lines(text).split("\n") == [harmless_lines(line) for line in text.split("\n")]
    assert not any(char in harmless_lines(text) for char in ACTING)


def test_a_spreadsheet_computes_nothing(evil: Path, tmp_path: Path) -> None:
    out = tmp_path / "recs.csv"
    assert recommend(evil, "--all", "--out", out, "--safe-csv").exit_code == 0
    safe = pl.read_csv(out, infer_schema=False)
    assert not any(cell[0] in "=+-@" for name in ("user_id", "item_id") for cell in safe[name])
    assert "'=cmd|calc!A0" in safe["item_id"].to_list()
    assert recommend(evil, "--all", "--out", out).exit_code == 0
    plain = pl.read_csv(out, infer_schema=False)
    assert safe["item_id"].str.strip_prefix("'").equals(plain["item_id"])
    assert safe.drop("user_id", "item_id").equals(plain.drop("user_id", "item_id")), "figures stay figures"
    recommend(evil, "--all", "--out", tmp_path / "recs.jsonl", "--safe-csv").require_one_error(2)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_only_what_a_spreadsheet_computes_is_changed(texts: list[str]) -> None:
    table = pl.DataFrame({"id": texts, "score": [-1.0] * len(texts)})
    safe = quote_formulas(table)
    expected = [f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and text else text for text in texts]
    assert safe["id"].to_list() == expected
    assert safe["score"].equals(table["score"])
