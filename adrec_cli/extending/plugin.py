"""Plugin files: one Python file whose tables MODELS, LOSSES, METRICS, DATASETS and CALLBACKS add to adrec's.

Loading one runs it. That is done for files a person names, and never because an artifact names one.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Final

from adrec_cli.errors import StorageError, UsageError
from adrec_cli.extending.code import Origin, sha256_of, sources_beside
from adrec_cli.extending.in_use import Plugin

TABLES: Final = ("MODELS", "LOSSES", "METRICS", "DATASETS", "CALLBACKS")


def read_plugin(path: Path) -> Plugin:
    """Run a plugin file and return what it defines; the same file with the same code is run once.

    Raises:
        UsageError: there is none, it is not Python, it fails, or it adds nothing.
        StorageError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise UsageError(f"plugin {path} is not there", hint="name a Python file") from error
    except OSError as error:
        raise StorageError(f"could not read plugin {path}: {error.strerror}", hint="check the path") from error
    origin = Origin(name=path.name, sha256=_sha256(path, content))
    module = _module(path.resolve(), content)
    plugin = Plugin(path=path, origin=origin, module=module)
    _require_tables(plugin)
    return plugin


def _sha256(path: Path, content: bytes) -> str:
    try:
        source = content.decode()
        return sha256_of({"": source, **sources_beside(path.resolve(), source)})
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"plugin {path} is not Python: {error}", hint="fix the file") from error
    except OSError as error:
        raise StorageError(
            f"could not read {error.filename}, which plugin {path} imports: {error.strerror}", hint="check the path"
        ) from error


class _Loader(SourceLoader):
    """Loads the very bytes that were hashed, and leaves no compiled file behind."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content = path, content

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def get_data(self, path: str | bytes) -> bytes:
        if str(path) != str(self.path):
            raise OSError(f"{path!r} is not the plugin")
        return self.content


def _module(path: Path, content: bytes) -> ModuleType:
    """Return the module of a file; it is in `sys.modules`, where dataclasses look for the types they name."""
    name = f"adrec_plugin_{path.stem}_{hashlib.sha256(str(path).encode() + content).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_loader(name, _Loader(path, content))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, (Exception, SystemExit)):
            raise
        raise UsageError(f"plugin {path.name} fails: {type(error).__name__}: {error}", hint="fix the file") from error
    return module


def _require_tables(plugin: Plugin) -> None:
    for name, value in vars(plugin.module).items():
        meant = get_close_matches(name.upper(), TABLES, n=1, cutoff=0.8)
        if meant and name not in TABLES and isinstance(value, Mapping):
            raise UsageError(
                f"plugin {plugin.path.name} has a dictionary {name}, which nothing reads",
                hint=f"call it {meant[0]}, or something else",
            )
    given = {name: getattr(plugin.module, name) for name in TABLES if hasattr(plugin.module, name)}
    for name, table in given.items():
        if not isinstance(table, Mapping) or not all(isinstance(key, str) for key in table):
            raise UsageError(
                f"{name} of plugin {plugin.path.name} must be a dictionary from names", hint=f'{name} = {{"mine": ...}}'
            )
    if not any(given.values()):
        raise UsageError(
            f"plugin {plugin.path.name} adds nothing",
            hint=f'give it one of {", ".join(TABLES)}, such as MODELS = {{"mine": Mine}}',
        )
