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

ALLOWED = {"padded_cross_entropy", "sampled_softmax"}
"""Losses, which bear the names that the field has for them, as `torch.nn.functional.cross_entropy` does."""


def participles(source: str) -> list[str]:
    """Return the names of all functions, but properties, whose first word is a participle."""
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    names = [node.name for node in functions if not any("property" in ast.unparse(one) for one in node.decorator_list)]
    words = {name: name.strip("_").split("_")[0] for name in names}
    return [name for name, word in words.items() if PARTICIPLES.match(word) and word not in VERBS]


def test_participles_are_found_wherever_a_function_is() -> None:
    source = (
        "def _kept(): ...\nclass A:\n  @property\n  def kept(self): ...\n  def known_form(self):\n    def read(): ..."
    )
    assert participles(source) == ["_kept", "known_form"]


def test_no_function_bears_the_name_of_its_result() -> None:
    paths = sorted(PACKAGE.rglob("*.py"))
    found = {
        name: path.relative_to(PACKAGE) for path in paths for name in participles(path.read_text(encoding="utf-8"))
    }
    assert not found.keys() - ALLOWED, f"begin with a verb: {found}"
    assert found.keys() >= ALLOWED, "names that are no longer there are not allowed either"
