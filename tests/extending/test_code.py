"""Which modules beside a file count as its code, against a plain walk over random imports."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.extending.code import sources_beside
from tests.examples import tries

MODULES = ["Above", "aside", "beside", "under_it", "zone"]
"""Before adrec_cli in the alphabet, and behind it."""
FILES = {"module": "{}.py", "package": "{}/__init__.py", "folder": "{}/part.py"}
IMPORTS = ("import {0}.part", "from {0}.part import x", "from {0} import part", "import {0}.part as other, math")
SOME_IMPORTS = st.dictionaries(st.sampled_from(MODULES), st.sampled_from(IMPORTS), max_size=2)
Edges = dict[str, dict[str, str]]


def reachable(edges: Edges) -> set[str]:
    """Return what is imported from the file itself, called "", however far away."""
    found: set[str] = set()
    for _ in edges:
        found |= {name for known in ("", *found) for name in edges[known]}
    return found


@settings(max_examples=tries(60), deadline=None)
@given(
    kinds=st.fixed_dictionaries({name: st.sampled_from(list(FILES)) for name in MODULES}),
    edges=st.fixed_dictionaries(
        {
            name: st.dictionaries(st.sampled_from(MODULES), st.sampled_from(IMPORTS), max_size=2)
            for name in ["", *MODULES]
        }
    ),
)
def test_all_that_it_reaches_and_nothing_else(kinds: dict[str, str], edges: Edges) -> None:
    texts = {name: "\n".join(form.format(other) for other, form in edges[name].items()) for name in edges}
    with tempfile.TemporaryDirectory() as folder:
        for name, kind in kinds.items():
            file = Path(folder) / FILES[kind].format(name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(texts[name])
        found = sources_beside(Path(folder) / "mine.py", f"import numpy, os.path\n{texts['']}")
    keys = {name: f"{name}/{Path(FILES[kinds[name]].format(name)).name}" for name in MODULES}
    assert found == {keys[name]: texts[name] for name in reachable(edges)}


def test_a_file_that_imports_itself_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import beside_a")
    (tmp_path / "beside_a.py").write_text("import mine")
    assert sources_beside(path, path.read_text()) == {"beside_a/beside_a.py": "import mine"}
