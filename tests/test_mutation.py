"""What `python -m tests.mutation` is given is there, and what it draws is the same every time and can matter."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["adrec-mutation"]
TOLD, PROCESSES = CONFIGURATION["tests"], CONFIGURATION["processes"]
SOURCE = """
from __future__ import annotations
@decorated(frozen=True)
def double(x: int | None = 3, *, more: bool = False) -> int | None:
    assert x > 4
    values: list[int | None] = [1 + x]
    values.append(*values)
    return x * 2 if more else None
if TYPE_CHECKING:
    from elsewhere import Kind
"""


def test_packages_and_their_tests_are_there():
    assert set(TOLD) <= {path.parent.name for path in (ROOT / "adrec_cli").glob("*/__init__.py")}
    named = {path.removeprefix("--ignore=") for paths in (*TOLD.values(), *PROCESSES.values()) for path in paths}
    assert [path for path in (*named, *PROCESSES) if not (ROOT / path).exists()] == []


def test_mistakes_are_drawn_where_they_can_matter(tmp_path):
    mutants = pytest.importorskip("tests.mutation.mutants", reason="needs cosmic-ray, see tests/README.md")
    (tmp_path / "adrec_cli/small").mkdir(parents=True)
    (tmp_path / "adrec_cli/small/code.py").write_text(SOURCE)
    drawn = mutants.draw_mutants(tmp_path, "small", 99, seed=1)
    assert drawn == mutants.draw_mutants(tmp_path, "small", 99, seed=1)
    assert {one.line for one in drawn} == {4, 6, 7, 8}
    kept = {part for one in drawn for part in ("int | None", "frozen=True", "x > 4", "*, more", "*values") if part}
    for one in drawn:
        ast.parse(one.source)
        assert one.before != one.after
        assert all(one.source.count(part) == SOURCE.count(part) or one.after == "pass" for part in kept)
    assert [one.after for one in drawn if one.line == 7] == ["pass"], "a step can be left out"
    assert len(mutants.draw_mutants(tmp_path, "small", 2, seed=1)) == 2


def test_a_mistake_is_shown_to_the_likeliest_files_then_the_quickest_and_for_a_while():
    pytest.importorskip("coverage", reason="needs coverage, see tests/README.md")
    from tests.mutation.reached import Reached

    lines = {"code.py": {1: ["slow::a", "quick::b", "quick::c"], 2: ["slow::d"]}}
    reached = Reached(tests=lines, seconds={"slow::a": 5.0, "quick::b": 1.0, "slow::d": 1.0, "quick::c": 2.0})
    source = "x = 1\ndef f():\n    return 2\n"
    order = ["quick::b", "quick::c", "slow::a", "slow::d"]
    for seconds, shown in ((9, 4), (8.9, 3), (3, 2), (0, 1)):
        assert reached.tests_of("code.py", 1, source, most_seconds=seconds) == order[:shown]
    assert reached.tests_of("code.py", 3, source, most_seconds=9) == []
    named_after = Reached(tests={"room/slow.py": lines["code.py"]}, seconds=reached.seconds)
    shown = named_after.tests_of("room/slow.py", 1, source, most_seconds=9)
    assert shown == ["slow::a", "slow::d", "quick::b", "quick::c"], "a file of tests named after the source comes first"
