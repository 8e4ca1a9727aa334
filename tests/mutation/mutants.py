"""Which mistakes can be made in a package, and a seeded draw from them; the mistakes are cosmic-ray's."""

from __future__ import annotations

import ast
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

_LEFT_OUT = re.compile(
    r"RemoveDecorator|VariableInserter|VariableReplacer|ExceptionReplacer"
    r"|BinaryOperator_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow)_(Bit\w+|[LR]Shift)"
)
"""Operators that need arguments, and mistakes that any run would notice: bits of numbers that are no integers."""
_FAMILIES = ("BinaryOperator", "ComparisonOperator", "UnaryOperator")

Position = tuple[int, int]


class LeaveOutCall(Operator):
    """Put `pass` in place of a statement that is a call, and so leave out a step."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Position, Position]]:
        if node.type == "atom_expr" and node.parent.type == "simple_stmt" and node.children[-1].type == "trailer":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return parso.python.tree.Name("pass", node.start_pos, prefix=node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One mistake.

    Attributes:
        path: of the source, relative to the repository.
        line: of the mistake, from 1.
        operator: its name.
        occurrence: which of the places of the operator in the source.
        before, after: the changed lines, without blanks around them.
        source: the whole source with the mistake.
    """

    path: str
    line: int
    operator: str
    occurrence: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.before}  ->  {self.after}"


def draw_mutants(root: Path, package: str, sample: int, seed: int) -> list[Mutant]:
    """Draw places in the code of a package, each equally likely, and one mistake at each.

    Args:
        root: of the repository.
        package: name of a folder in `adrec_cli`.
        sample: how many; fewer where there are fewer places.
        seed: of the draw.
    """
    places: dict[tuple[str, Position, str], list[tuple[str, int]]] = defaultdict(list)
    for path in sorted((root / "adrec_cli" / package).rglob("*.py")):
        for operator, occurrence, position in _possible(path.read_text(encoding="utf-8")):
            family = next((name for name in _FAMILIES if name in operator), operator)
            places[str(path.relative_to(root)), position, family].append((operator, occurrence))
    rng = random.Random(f"{package} {seed}")
    order = rng.sample(sorted(places), len(places))
    drawn = (_made(root, place, *rng.choice(places[place])) for place in order)
    found = [mutant for mutant, _ in zip((one for one in drawn if one), range(sample), strict=False)]
    return sorted(found, key=lambda mutant: (mutant.path, mutant.line))


def _operators() -> dict[str, Operator]:
    names = [name for name in operator_names() if not _LEFT_OUT.search(name)]
    return {"LeaveOutCall": LeaveOutCall()} | {name.removeprefix("core/"): get_operator(name)() for name in names}


_OPERATORS = _operators()


def _possible(source: str) -> Iterator[tuple[str, int, Position]]:
    """Yield operator, occurrence and place of every mistake that can change what the source does."""
    nodes, silent = list(ast_nodes(get_ast(source))), _silent_parts(source)
    for name, operator in _OPERATORS.items():
        positions = ((node, start) for node in nodes for start, _ in operator.mutation_positions(node))
        for occurrence, (node, position) in enumerate(positions):
            # The star in front of keywords is an operator to parso.
            if node.type == "operator" and node.parent.type in ("parameters", "param", "argument"):
                continue
            if not any(begin <= position < end for begin, end in silent):
                yield name, occurrence, position


def _silent_parts(source: str) -> list[tuple[Position, Position]]:
    """Return annotations and imports for them, which are never evaluated, decorators and assertions."""
    nodes: list[ast.expr | ast.stmt] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            nodes.append(node.annotation)
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            nodes.append(node.returns)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            nodes += node.decorator_list
        if isinstance(node, ast.Assert) or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            nodes.append(node)
    # Columns of `ast` count bytes, those of `parso` characters: a source with other letters before them is rare enough.
    return [
        ((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset))
        for n in nodes
        if n.end_lineno is not None and n.end_col_offset is not None
    ]


def _made(root: Path, place: tuple[str, Position, str], operator: str, occurrence: int) -> Mutant | None:
    """Make one mistake; None where it is no Python or no change."""
    path, (line, _), _ = place
    source = (root / path).read_text(encoding="utf-8")
    mutated = mutate_code(source, _OPERATORS[operator], occurrence)
    if mutated is None or mutated == source:
        return None
    try:
        ast.parse(mutated)
    except SyntaxError:
        return None
    changed = [pair for pair in zip(source.splitlines(), mutated.splitlines(), strict=False) if pair[0] != pair[1]]
    before, after = changed[0]
    return Mutant(
        path=path, line=line, operator=operator, occurrence=occurrence, before=before.strip(), after=after.strip(),
        source=mutated,
    )  # fmt: skip
