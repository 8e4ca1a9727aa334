"""Functions begin with a verb: they never bear the name of their result, as in `measured = _measured(...)`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "adrec_cli"

VERBS = {"add", "bed", "embed", "feed", "need", "shed", "seed", "speed", "sha256", "read", "spread"}
"""Words that look like participles and are none."""

PARTICIPLES = re.compile(
    r"\w+ed$|told$|untold$|made$|said$|taken$|forgotten$|known$|left$|met$|held$|lost$|kept$|found$|spent$|learnt$|drawn$"
    r"|shown$|built$|torn$|chosen$|written$|given$|broken$|driven$|with$|without$"
)

# Decorators, terms of the field (padded, seeded), and names that are still to be changed: add none.
_ALLOWED = """
_explained _changed_at _finished _promoted ranked _moved wanted _averaged_weights _chosen _damaged _found _joined
_kept_if_whole _learnt _left_by_killed_runs _locked _monitored _queued_steps _recorded _spent _trained _unchanged
_varied_changes _without_empty_rows allowed changed deferred drawn held_out_cases installed interrupted joined kept
left_out locked padded_cross_entropy sampled_softmax seeded_generator started styled
"""
ALLOWED = frozenset(_ALLOWED.split())


def participles() -> list[str]:
    """Return package/module.py:function of all functions, but properties, whose first word is a participle."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef) or any("property" in ast.unparse(d) for d in node.decorator_list):
                continue
            word = node.name.strip("_").split("_")[0]
            if PARTICIPLES.match(word) and word not in VERBS:
                found.append(f"{path.relative_to(PACKAGE).as_posix()}:{node.name}")
    return found


def test_no_function_bears_the_name_of_its_result() -> None:
    assert len(participles()) > 10, "the constructors that are allowed are found"
    added = sorted(name for name in participles() if name.split(":")[1] not in ALLOWED)
    assert not added, f"begin with a verb: {', '.join(added)}"
