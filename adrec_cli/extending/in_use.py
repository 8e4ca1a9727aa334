"""The plugin files that are in use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from adrec_cli.extending.code import Origin
from adrec_cli.wording import repeat_in_commands


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin file that was loaded.

    Attributes:
        path: as it was named.
        origin: its name and the hash of its code.
        module: what it defines.
    """

    path: Path
    origin: Origin
    module: ModuleType

    def table(self, name: str) -> Mapping[str, Any]:
        """Return what it adds to one table, such as MODELS, by name."""
        found: Mapping[str, Any] = getattr(self.module, name, {})
        return found


_loaded: tuple[Plugin, ...] = ()


def list_loaded_plugins() -> tuple[Plugin, ...]:
    """Return the plugin files that are in use."""
    return _loaded


@contextlib.contextmanager
def plugins_in_use(plugins: Sequence[Plugin]) -> Iterator[None]:
    """Use plugins beside those in use, for a while."""
    before = _loaded
    use_plugins(plugins)
    try:
        yield
    finally:
        _use_only(before)


def use_plugins(plugins: Sequence[Plugin]) -> None:
    """Use plugins from now on, beside those in use; a repeated one counts once."""
    _use_only(tuple({plugin.module.__name__: plugin for plugin in (*_loaded, *plugins)}.values()))


def _use_only(plugins: tuple[Plugin, ...]) -> None:
    global _loaded
    _loaded = plugins
    repeat_in_commands("plugin", [str(plugin.path) for plugin in plugins])
