"""Which tests reach which lines, so that a mistake is shown only to the tests that run it."""

from __future__ import annotations

import ast
import itertools
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage
import pytest


@dataclass(kw_only=True)
class Reached:
    """What a run of tests has shown.

    Attributes:
        tests: that ran a line, by path of the source and line.
        seconds: of each test, in the order they ran.
    """

    tests: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def tests_of(self, path: str, line: int, source: str, *, most_seconds: float) -> list[str]:
        """Return the tests that run a line; of one outside all functions, those that run anything of its file.

        Files of tests that are named after the source come first, then those that are done soonest.

        Args:
            path: of the source, relative to the repository.
            line: of it, from 1.
            source: its text.
            most_seconds: that all of them may have taken; what comes behind is left out, but for the first test.
        """
        first, last, imported = _statement(source, line)
        lines = self.tests.get(path, {})
        wanted = lines if imported else range(first, last + 1)
        found = {test for each in wanted for test in lines.get(each, ()) if test in self.seconds}
        duration: dict[str, float] = defaultdict(float)
        for test in found:
            duration[test.partition("::")[0]] += self.seconds[test]
        order = {test: place for place, test in enumerate(self.seconds)}

        def turn(test: str) -> tuple[bool, float, int]:
            file = test.partition("::")[0]
            return Path(path).stem not in Path(file).stem, duration[file], order[test]

        likeliest = sorted(found, key=turn)
        ends = itertools.accumulate(self.seconds[test] for test in likeliest)
        return [test for place, (test, end) in enumerate(zip(likeliest, ends, strict=True))
                if not place or end <= most_seconds]  # fmt: skip


class Recorder:
    """A plugin of pytest that writes down the lines of a folder each test runs."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._root, self._seconds = root, dict[str, float]()
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[f"{folder}/*"], messages=False, check_preimported=False
        )

    def watch(self) -> None:
        """Begin to watch, in this thread and those that it starts."""
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        began = time.perf_counter()
        result = yield
        self._seconds[item.nodeid] = time.perf_counter() - began
        return result

    def end(self) -> Reached:
        """Return what was seen, and watch no longer."""
        self._coverage.stop()
        data = self._coverage.get_data()
        tests = {
            str(Path(path).relative_to(self._root)): data.contexts_by_lineno(path) for path in data.measured_files()
        }
        return Reached(tests=tests, seconds=self._seconds)


def _statement(source: str, line: int) -> tuple[int, int, bool]:
    """Return the first and last line of the statement, or the head of the compound one, that a line belongs to.

    The third value says whether it runs when its file is imported, as a default of a parameter does.
    """
    heads, functions = [(1, line, line)], list[tuple[int, int]]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and node.end_lineno is not None:
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno
            if node.lineno <= line <= last:
                heads.append((0, node.lineno, last))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.append((node.body[0].lineno, node.end_lineno))
    _, first, last = min(heads, key=lambda head: (head[0], head[2] - head[1]))
    return first, last, not any(begin <= line <= end for begin, end in functions)


def as_plain(reached: Reached) -> dict[str, Any]:
    """Return it as JSON has it."""
    return {"tests": reached.tests, "seconds": reached.seconds}


def from_plain(content: Mapping[str, Any]) -> Reached:
    """Return what `as_plain` made JSON of."""
    tests = {path: {int(line): of for line, of in lines.items()} for path, lines in content["tests"].items()}
    return Reached(tests=tests, seconds=dict(content["seconds"]))
