"""A set from name to thing that adrec fills, and that plugins add to; things are loaded where they are looked up."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from adrec_cli.errors import UsageError
from adrec_cli.extending.code import Origin, find_installed_origin
from adrec_cli.extending.in_use import Plugin, list_loaded_plugins

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

NAME: Final = "[a-z][a-z0-9_-]{0,39}"
"""What a name from outside must be: it becomes part of file names, options and rules."""


class OpenSet(Mapping[str, T], Generic[T]):
    """Things by name: adrec's own, those of plugin files, and those of installed distributions.

    Names cost nothing but a look at what is installed. A thing of adrec's own may be given as "module:name", as an
    entry point is.
    """

    def __init__(self, what: str, own: Mapping[str, T | str] | str, *, group: str, require: str) -> None:
        """Take adrec's own.

        Args:
            what: the set holds, in the singular, for messages.
            own: by name, or "module:name" of such a table.
            group: of entry points, such as "adrec.models"; a plugin file calls its table by the last word, MODELS.
            require: "module:name" of what raises `UsageError` for a name and a thing from outside that is none.
        """
        self.what, self.group = what, group
        self._given, self._require = own, require
        self._accepted: dict[str, object] = {}

    @property
    def table(self) -> str:
        """What a plugin file calls its table."""
        return self.group.rpartition(".")[2].upper()

    @functools.cached_property
    def own(self) -> Mapping[str, T | str]:
        """What adrec comes with."""
        return cast(Mapping[str, T | str], _load(self._given)) if isinstance(self._given, str) else self._given

    def __getitem__(self, name: str) -> T:
        """Return a thing, loaded.

        Raises:
            KeyError: there is none of that name.
            UsageError: two have that name, or what a plugin has under it cannot be used.
        """
        if name in self.own:
            found = self.own[name]
            return cast(T, _load(found)) if isinstance(found, str) else found
        return cast(T, self._from_outside(name)[0])

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.names_from_outside()

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from self.names_from_outside()

    def __len__(self) -> int:
        return len(self.own) + len(self.names_from_outside())

    def names_from_outside(self) -> list[str]:
        """Return what plugins and installed distributions add, without loading any of it."""
        named = [name for plugin in list_loaded_plugins() for name in plugin.table(self.table)]
        return list(dict.fromkeys([*named, *(entry.name for entry in list_entry_points(self.group))]))

    def load_all(self) -> tuple[dict[str, T], dict[str, UsageError]]:
        """Return what can be used, by name, and why the rest cannot: one broken package hides no other's."""
        usable: dict[str, T] = {}
        broken: dict[str, UsageError] = {}
        for name in self:
            try:
                usable[name] = self[name]
            except UsageError as error:
                broken[name] = error
        return usable, broken

    def origin_of(self, name: str) -> Origin | None:
        """Return where a thing comes from; None if it is adrec's own, or nowhere."""
        if name in self.own or name not in self:
            return None
        return self._from_outside(name)[1]

    def require_usable(self, plugin: Plugin) -> None:
        """Raise unless everything that a plugin file adds can be used.

        Raises:
            UsageError: naming what cannot.
        """
        for name in plugin.table(self.table):
            if name in self.own:
                raise UsageError(
                    f"{plugin.path} adds the {self.what} {name!r}, which adrec has already", hint="choose another name"
                )
            self._from_outside(name)

    def _from_outside(self, name: str) -> tuple[object, Origin]:
        """Return a thing that is not adrec's own, and where it comes from."""
        plugins = [plugin for plugin in list_loaded_plugins() if name in plugin.table(self.table)]
        entries = [entry for entry in list_entry_points(self.group) if entry.name == name]
        if not plugins and not entries:
            raise KeyError(name)
        if len(plugins) + len(entries) > 1:
            both = [str(plugin.path) for plugin in plugins] + [_distribution(entry) for entry in entries]
            raise UsageError(
                f"the {self.what} {name!r} is added by {' and by '.join(both)}", hint="leave out one of them"
            )
        if plugins:
            thing, origin = plugins[0].table(self.table)[name], plugins[0].origin
        else:
            thing, origin = _load_entry(entries[0], self.what)
        if self._accepted.get(name) is not thing:
            self._require_usable(name, thing, origin)
            self._accepted[name] = thing
        return thing, origin

    def _require_usable(self, name: str, thing: object, origin: Origin) -> None:
        if not re.fullmatch(NAME, name):
            raise UsageError(
                f"{origin.name} adds a {self.what} {name!r}, which is not a valid name",
                hint="letters, digits, '-' and '_'",
            )
        try:
            cast(Callable[[str, object], None], _load(self._require))(name, thing)
        except UsageError as error:
            raise UsageError(f"{origin.name}: {error.message}", hint=error.hint) from error


@functools.cache
def list_entry_points(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group, sorted by name, without loading any of them."""
    from importlib.metadata import entry_points

    return tuple(sorted(entry_points(group=group), key=lambda entry: entry.name))


@functools.cache
def _load_entry(entry: EntryPoint, what: str) -> tuple[object, Origin]:
    name = _distribution(entry)
    try:
        return entry.load(), find_installed_origin(name, entry.module)
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"the {what} {entry.name!r} of {name} cannot be loaded: {type(error).__name__}: {error}",
            hint=f"fix it, or uninstall it: pip uninstall {name}",
        ) from error


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module


def _load(place: str) -> object:
    """Return what a text such as "package.module:name" stands for."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
