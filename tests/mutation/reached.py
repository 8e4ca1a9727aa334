"""Which tests reach which lines, so that a mistake is shown only to the tests that run it."""

from __future__ import annotations

import ast
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

COLLECTION = ""
"""Stands for the imports that come before any test."""


@dataclass(kw_only=True)
class Reached:
    """What a run of all tests of a package has shown.

    Attributes:
        lines: by test (or `COLLECTION`), by path of the source.
        seconds: of each test, in the order they ran.
    """

    lines: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def tests_of(self, path: str, line: int, source: str) -> list[str]:
        """Return the tests that run a line; of one that runs at import alone, those that run anything of its file.

        Files of tests that are done soonest come first.
        """
        first, last = _statement(source, line)
        wanted = set(range(first, last + 1))
        found = [test for test in self.seconds if self.lines[test].get(path, set()) & wanted]
        if not found and self.lines[COLLECTION].get(path, set()) & wanted:
            found = [test for test in self.seconds if self.lines[test].get(path)]
        duration: dict[str, float] = defaultdict(float)
        for test in found:
            duration[test.partition("::")[0]] += self.seconds[test]
        return sorted(found, key=lambda test: (duration[test.partition("::")[0]], test.partition("::")[0]))


class Recorder:
    """A plugin of pytest that writes down the lines of a package each test runs."""

    def __init__(self, package: Path, root: Path) -> None:
        self.prefix, self.root = f"{package}/", root
        self.found = Reached()
        self.lines: dict[str, set[int]] = defaultdict(set)
        self.found.lines[COLLECTION] = self.lines

    def watch(self) -> None:
        """Begin to watch, in this thread and those that it starts."""
        threading.settrace(self._called)
        sys.settrace(self._called)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(self.prefix):
            return None
        lines = self.lines[path[len(str(self.root)) + 1 :]]
        lines.add(frame.f_lineno)

        def entered(frame: FrameType, event: str, argument: Any) -> Any:
            lines.add(frame.f_lineno)
            return entered

        return entered

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.lines = self.found.lines[item.nodeid] = defaultdict(set)
        self.watch()
        began = time.perf_counter()
        result = yield
        self.found.seconds[item.nodeid] = time.perf_counter() - began
        return result


def _statement(source: str, line: int) -> tuple[int, int]:
    """Return the first and last line of the statement, or the head of the compound one, that a line belongs to."""
    heads = [(1, line, line)]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and node.end_lineno is not None:
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno
            if node.lineno <= line <= last:
                heads.append((0, node.lineno, last))
    return min(heads, key=lambda head: (head[0], head[2] - head[1]))[1:]


def as_plain(reached: Reached) -> dict[str, Any]:
    """Return it as JSON has it."""
    lines = {test: {path: sorted(of) for path, of in paths.items()} for test, paths in reached.lines.items()}
    return {"lines": lines, "seconds": reached.seconds}


def from_plain(content: Mapping[str, Any]) -> Reached:
    """Return what `as_plain` made JSON of."""
    lines = {test: {path: set(of) for path, of in paths.items()} for test, paths in content["lines"].items()}
    return Reached(lines=lines, seconds=dict(content["seconds"]))
