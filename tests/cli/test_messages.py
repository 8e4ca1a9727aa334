"""Messages on a terminal: broken at words, but for hints, which may be commands to copy."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from adrec_cli.cli.show.terminal import Terminal

TEXT = "unknown user nobody: not among the 2,000 users of this dataset"
HINT = 'for an unknown user give the items: --history "id,id"'


def on_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Terminal, io.StringIO]:
    """Return a terminal of a width, and what is written to it."""
    stream, terminal = io.StringIO(), Terminal()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    for name in ("err", "out"):
        terminal.__dict__[name] = Console(file=stream, width=width, force_terminal=True, color_system=None)
    return terminal, stream


def test_errors_break_at_words_and_hints_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, stream = on_terminal(40, monkeypatch)
    terminal.error(TEXT, HINT)
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert lines[0] == "error: unknown user nobody: not among"
    assert " ".join(line.strip() for line in lines[:-1]) == f"error: {TEXT}"
    assert lines[-1] == f"hint: {HINT}"


def test_records_leave_out_empty_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, stream = on_terminal(30, monkeypatch)
    terminal._draw_records(["status", "repair"], [("whole", ""), ("damaged", "train it again")])
    assert stream.getvalue().split() == ["status", "whole", "status", "damaged", "repair", "train", "it", "again"]


def test_lines_of_a_result_break_at_words_and_commands_do_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal, stream = on_terminal(40, monkeypatch)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    terminal.line(TEXT)
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert len(lines) == 2
    assert " ".join(lines) == TEXT
    command = "adrec train grocery --config workspace/grocery/sweeps/tune/best.toml"
    terminal.command(command)
    assert capsys.readouterr().out == f"{command}\n"
