"""What code from outside means, as a hash: of its statements, not of its comments, docstrings and layout."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where something from outside comes from.

    Attributes:
        name: of a plugin file, such as "my_model.py", or of an installed distribution.
        sha256: of what its code means.
    """

    name: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        """Return it as checkpoints hold it."""
        return {"plugin": self.name, "sha256": self.sha256}


def meaning_of(source: str) -> str:
    """Return Python source in one normal form, without what does not run: comments, docstrings, layout.

    Args:
        source: a whole module.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    # Rather than ast.dump, whose form changes with Python's versions.
    return ast.unparse(tree)


def sha256_of(sources: Mapping[str, str]) -> str:
    """Return a hash of what modules mean, by their distinguishing names."""
    digest = hashlib.sha256()
    for name in sorted(sources):
        digest.update(f"{name}\n{meaning_of(sources[name])}\n".encode())
    return digest.hexdigest()


def find_installed_origin(distribution: str, module: str) -> Origin:
    """Return the origin of a module that is installed: all code of the package it belongs to counts.

    Args:
        distribution: its name.
        module: imported already.
    """
    parts = module.split(".")
    # A namespace package belongs to several distributions: the first one below it counts.
    names = [".".join(parts[: count + 1]) for count in range(len(parts))]
    return Origin(name=distribution, sha256=sha256_of(next(filter(None, map(_sources, names)), {})))


def sources_beside(path: Path, source: str) -> dict[str, str]:
    """Return the modules in a file's own folder that it imports, and those that they import there, by name.

    They are looked for in the folder itself: whether Python finds them there may depend on what the file does first.

    Args:
        path: of the file.
        source: its text.
    """
    found: dict[str, str] = {}
    waiting = [source]
    while waiting:
        for name in _list_imports(waiting.pop()):
            module = name.partition(".")[0]
            if module != "adrec_cli" and not any(key.startswith(f"{module}/") for key in found):
                home = _home_beside(path, name)
                there = {} if home is None else _sources_at(module, home)
                found |= there
                waiting += there.values()
    return found


def _list_imports(source: str) -> set[str]:
    """Return the full names of all that a source imports: of "from a.b import c" it is a.b.c."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _home_beside(path: Path, name: str) -> Path | None:
    """Return the file or the folder beside a file that an import of a name would take, in Python's order; else None."""
    module, _, below = name.partition(".")
    folder, file = path.parent / module, path.parent / f"{module}.py"
    if (folder / "__init__.py").is_file():
        return folder
    if file.is_file():
        return file if file != path else None
    # A folder without __init__.py may be one of data that is called as an installed package is, such as wandb/.
    part = folder / below.partition(".")[0]
    return folder if below and (part.with_name(f"{part.name}.py").is_file() or part.is_dir()) else None


def _home(module: str) -> Path | None:
    """Return the file of a module or the folder of a package; None for what has neither."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    return Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)


def _sources(module: str) -> dict[str, str]:
    """Return the Python files of a module or package by their names; none of a namespace package."""
    home = _home(module)
    return {} if home is None else _sources_at(module, home)


def _sources_at(module: str, home: Path) -> dict[str, str]:
    """Return the Python files of a module by their names; home is its file or the folder of its package."""
    files: Iterable[Path] = sorted(home.rglob("*.py")) if home.is_dir() else [home] if home.suffix == ".py" else []
    return {
        f"{module}/{file.relative_to(home).as_posix() if home.is_dir() else file.name}": file.read_text(
            encoding="utf-8"
        )
        for file in files
    }
