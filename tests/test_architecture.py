"""The design, checked from the sources' own imports: they go one way, and every option is read."""

from __future__ import annotations

import ast
import dataclasses
import functools
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adrec_cli.models.registry import MODELS
from adrec_cli.models.stages import Stage, TrainingConfig

PACKAGE = Path(__file__).resolve().parents[1] / "adrec_cli"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))
_TOP = {"", "choices", "config", "errors", "events", "runtime", "schema", "wording"}
FOUNDATION = {*_TOP, "presets", "extending", "pages"}
# All that pure maths and drawings know of the package.
BARE = {"schema", "errors", "wording"}
MECHANICS = {"training", "ranking", "artifacts", "data", "models", "diagnostics", "content"}
# What commands share, a wing each, and the wings it builds on.
WINGS = {
    "tracking": set(),
    "loading": {"tracking"},
    "experiments": {"loading", "tracking"},
    "inspecting": {"loading"},
    "recommending": {"loading"},
    "serving": {"loading", "recommending"},
    "forgetting": {"loading"},
    "moving": set(),
    "promotion": {"loading", "experiments"},
    "evaluating": {"loading", "experiments"},
    "comparing": {"loading", "experiments", "evaluating"},
    "sweeping": {"loading", "experiments", "evaluating"},
    "pictures": {"loading", "experiments", "inspecting", "sweeping", "plots"},
    "reporting": {"loading", "experiments", "inspecting", "comparing", "sweeping", "pictures"},
}
MAY_IMPORT = {
    # The command line calls the pipeline only; it knows the types of what it is called with and what it shows.
    "cli": {"cli", "pipeline", *WINGS, *(MECHANICS - {"ranking"}), *FOUNDATION},
    "api": {"api", "pipeline", *WINGS, *MECHANICS, *FOUNDATION},
    "pipeline": {"pipeline", "engines", *WINGS, *MECHANICS, *FOUNDATION},
    **{wing: {wing, *below, *MECHANICS, *FOUNDATION} for wing, below in WINGS.items()},
    "training": {"training", "data", "models", "diagnostics", "layers", *FOUNDATION},
    "ranking": {"ranking", "data", "models", "layers", *FOUNDATION},
    "artifacts": {"artifacts", "diagnostics", *FOUNDATION},
    "data": {"data", "artifacts", "models", *FOUNDATION},
    "engines": {"engines", "data", "artifacts", *FOUNDATION},
    "content": {"content", "data", "artifacts", "choices", *BARE},
    "models": {"models", "layers", "diffusion", *FOUNDATION},
    "layers": {"layers", "diffusion", *BARE},
    "diagnostics": {"diagnostics", *BARE},
    "plots": {"plots", *BARE},
    "diffusion": {"diffusion", "runtime", *BARE},
    "extending": {"extending", *BARE},
    "pages": {"pages"},
}
# Texts with flags below the command line, and why.
SPELL_FLAGS = {
    "wording.py": "the one rule by which keys become flags: reports print commands too",
    "plots/style.py": "a dashed line",
}
# A command that is made of others: the night begins with what `adrec preprocess` and `adrec encode` do.
COMMANDS_OF_COMMANDS = {("run", "preprocess")}
# What says nothing of any one model.
SHARED_BY_ALL = tuple(f"adrec_cli.models.{name}" for name in ("base", "batch", "padded_batch", "sampling", "stages"))
# Modules that a source below them names as "module:name", and why.
NAMED_UPWARDS = {
    ("models/stages.py", "adrec_cli.training.sampled_losses"): "a stage's configuration refuses unknown losses",
    ("models/stages.py", "adrec_cli.training.acceptance"): "and those from outside that are none",
}
SHARED_BY_PAPERS = tuple(
    f"adrec_cli.models.{name}"
    for name in ("base", "batch", "facts", "item_table", "network_config", "next_item", "sampling", "stages")
)
ONLY_IN_CLI = {"typer", "rich", "click"}
NEVER = {"pickle", "shelve", "marshal", "dill", "joblib", "cloudpickle"}


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imported_modules(path: Path) -> list[str]:
    """All modules a source imports, also inside functions, with names of submodules spelt out."""
    modules = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules.append(node.module or "")
    return modules


@functools.cache
def named_modules(path: Path) -> list[str]:
    """All modules a source names as "module:name", to be imported when the thing is looked up."""
    texts = (node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant))
    return [
        text.split(":")[0] for text in texts if isinstance(text, str) and re.fullmatch(r"adrec_cli(\.\w+)+:\w+", text)
    ]


def part_of(module: str) -> str:
    """The part of the package a module belongs to: "cli", "data", "schema", ...; "" for the package itself."""
    return [*module.split("."), ""][1]


def room_of(path: Path) -> str:
    """The part of the package that a source belongs to."""
    return path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else path.stem


@pytest.mark.parametrize("part", sorted({room_of(path) for path in SOURCES}))
def test_imports_go_one_way(part):
    for path in SOURCES:
        if room_of(path) == part:
            require_one_way(path, part)


def require_one_way(path: Path, part: str) -> None:
    here = str(path.relative_to(PACKAGE))
    named = [module for module in named_modules(path) if (here, module) not in NAMED_UPWARDS]
    for module in (*imported_modules(path), *named):
        top = module.split(".")[0]
        assert top not in NEVER, f"{path} imports {module}"
        assert top not in ONLY_IN_CLI or part in ("cli", "__main__"), f"{path} imports {module}"
        if top == "adrec_cli" and part in MAY_IMPORT:
            assert part_of(module) in MAY_IMPORT[part], f"{path} imports {module}"
        if top == "adrec_cli" and part in ("training", "ranking", "data") and part_of(module) == "models":
            assert module in SHARED_BY_ALL, f"{path} knows the concrete model {module}"
        if part == "models" and path.stem not in ("registry", "__init__") and part_of(module) == "models":
            assert module in (*SHARED_BY_PAPERS, f"adrec_cli.models.{path.stem}_config"), (
                f"{path} imports another paper: {module}"
            )
        if path.stem in BARE and path.parent == PACKAGE:
            assert top != "adrec_cli" or (path.stem, part_of(module)) == ("errors", "wording"), f"{path}: {module}"


def test_what_is_named_to_be_imported_later_is_there():
    named = {(str(path.relative_to(PACKAGE)), module) for path in SOURCES for module in named_modules(path)}
    assert len(named) > len(NAMED_UPWARDS)
    assert set(NAMED_UPWARDS) <= named
    for _, module in named:
        assert (PACKAGE.parent / module.replace(".", "/")).with_suffix(".py") in SOURCES, module


def test_no_command_imports_another():
    found = {
        (path.stem, module.split(".")[2])
        for path in SOURCES
        if path.parent == PACKAGE / "pipeline"
        for module in imported_modules(path)
        if module.startswith("adrec_cli.pipeline.")
    }
    assert found == COMMANDS_OF_COMMANDS


def test_no_imports_go_round_in_a_circle():
    named = {".".join(("adrec_cli", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in SOURCES}
    graph = {
        name: {module for module in imported_modules(path) if module in named and module != name}
        for name, path in named.items()
    }
    # Raises CycleError where there is a circle.
    assert len(tuple(graphlib.TopologicalSorter(graph).static_order())) == len(SOURCES)


def test_nothing_executes_what_it_reads():
    for path in SOURCES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "torch.load", "torch.save", "os.system"), f"{path}: {called}"
            if isinstance(node, ast.keyword):
                assert node.arg != "shell", f"{path}: shell"


def test_only_one_function_looks_for_paths():
    """`Path.glob` ends with an error where a folder goes meanwhile; nobody removes the code of plugins."""
    calls = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in SOURCES
        if path.relative_to(PACKAGE).as_posix() not in ("artifacts/matching_paths.py", "extending/code.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("glob", "rglob") and ast.unparse(node) != "glob.glob"
    ]
    assert calls == []


@pytest.mark.parametrize(
    "config", [Stage, TrainingConfig, *(entry.config_type for entry in MODELS.values())], ids=lambda kind: kind.__name__
)
def test_every_option_is_read(config):
    """An option nothing reads is a promise broken; its own validation does not count as reading."""
    unread = {field.name for field in dataclasses.fields(config)} - attributes_read()
    assert not unread


@functools.cache
def attributes_read() -> set[str]:
    """Every name behind a dot in a source, but where a configuration checks itself."""
    read = set()
    for path in SOURCES:
        validations = {
            id(node)
            for function in ast.walk(parsed(path))
            if isinstance(function, ast.FunctionDef) and function.name == "__post_init__"
            for node in ast.walk(function)
        }
        read |= {n.attr for n in ast.walk(parsed(path)) if isinstance(n, ast.Attribute) and id(n) not in validations}
    return read


def strings_below_the_command_line(package: Path) -> Iterator[tuple[Path, ast.Constant]]:
    """Every text of a source outside `cli/` that is no docstring, pieces of f-strings too."""
    for path in sorted(package.rglob("*.py")):
        if package / "cli" in path.parents:
            continue
        nodes = list(ast.walk(parsed(path)))
        told = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
                yield path, node


def test_flags_are_spelled_by_the_command_line_alone():
    """Below it a message names an option by its key, for `adrec_cli.wording` to spell."""
    spelled = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.value!r}"
        for path, node in strings_below_the_command_line(PACKAGE)
        if str(path.relative_to(PACKAGE)) not in SPELL_FLAGS and re.search(r"(?<![\w-])--([a-z]|$)", node.value)
    ]
    assert spelled == []


def test_no_file_outgrows_one_concept():
    assert {str(path): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > 400} == {}
