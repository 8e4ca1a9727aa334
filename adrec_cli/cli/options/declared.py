"""Flags of options that a dataclass declares with `adrec_cli.choices.choice`: nothing is declared twice."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Generic, TypeVar

from adrec_cli.choices import Choice, choices_of
from adrec_cli.cli import completion
from adrec_cli.cli.completion import Complete
from adrec_cli.cli.options.common import option
from adrec_cli.wording import flag, in_shell, shell_words

T = TypeVar("T")

_COMPLETIONS: Final[Mapping[str, Any]] = {"update": completion.workspace_dataset}
"""Of options whose values lie in the workspace; others are completed from the values their declaration knows."""


@dataclass(frozen=True)
class Declared(Generic[T]):
    """What was typed of the options of a dataclass, a parameter of a command.

    Attributes:
        kind: the dataclass.
        values: as typed, by name; the default where nothing was.
    """

    kind: type[T]
    values: Mapping[str, Any]

    def options(self, **read: Any) -> T:
        """Return the options; those in `read` in place of what was typed."""
        return self.kind(**{**self.values, **read})


def declare_parameters(kind: type[Any], taken: Collection[str]) -> list[inspect.Parameter]:
    """Return one parameter for each option of a dataclass, but for names that are taken by a command's own."""
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_annotate(name, default, described)
        )
        for name, default, described in choices_of(kind)
        if name not in taken
    ]


def _annotate(name: str, default: Any, described: Choice) -> Any:
    spelled = f"{flag(name)}/{shell_words(name, False)[0]}" if described.can_be_off else flag(name)
    complete: Complete | None = completion.among(described.known) if described.known else None
    more = {"dir_okay": False} if described.typed is Path else {}
    shown = option(
        spelled,
        panel=described.panel or None,
        metavar=described.metavar,
        help=in_shell(described.help),
        complete=_COMPLETIONS.get(name, complete),
        envvar=described.environment,
        **more,
    )
    return Annotated[described.typed if default is not None else described.typed | None, shown]
