"""A set from name to thing that is loaded where it is looked up, so that its names alone cost nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TypeVar, cast

T = TypeVar("T")


class OpenSet(Mapping[str, T]):
    """Things by name, those of adrec given themselves or, where loading them is dear, as "module:name"."""

    def __init__(self, what: str, own: Mapping[str, T | str]) -> None:
        """Take adrec's own.

        Args:
            what: the set holds, in the singular, for messages.
            own: by name.
        """
        self.what, self._own = what, own

    def __getitem__(self, name: str) -> T:
        found = self._own[name]
        return cast(T, _loaded(found)) if isinstance(found, str) else found

    def __contains__(self, name: object) -> bool:
        return name in self._own

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)


def _loaded(place: str) -> object:
    """Return what a text such as "package.module:name" stands for."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
