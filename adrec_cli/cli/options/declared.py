"""Flags of options that a dataclass declares with `adrec_cli.choices.choice`: nothing is declared twice."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Generic, TypeVar

from adrec_cli.choices import Choice, build_options, choices_of
from adrec_cli.cli import completion
from adrec_cli.cli.options.common import option
from adrec_cli.wording import flag, shell_words

T = TypeVar("T")

_COMPLETIONS: Final[Mapping[str, Any]] = {
    "update": completion.workspace_dataset,
    "like": completion.workspace_dataset,
    "preset": completion.preset,
    "vary": completion.option_to_vary,
    "search": completion.option_to_vary,
    "ablate": completion.ablation,
    "models": completion.models_to_compare,
    "against": completion.models_to_compare,
}
"""Of options whose values are looked up; others are completed from the values their declaration knows."""
_ALSO: Final[Mapping[str, tuple[str, ...]]] = {"k": ("--top",), "out": ("-o",)}
"""Further spellings of flags."""
_MAY_BE: Final[Mapping[str, Mapping[str, bool]]] = {
    "file": {"dir_okay": False},
    "folder": {"file_okay": False},
    "any": {},
}


@dataclass(frozen=True)
class Declared(Generic[T]):
    """What was typed of the options of a dataclass, where a command cannot take them as they are.

    Attributes:
        kind: the dataclass.
        values: as typed, by key; the default where nothing was.
    """

    kind: type[T]
    values: Mapping[str, Any]

    def leave_out(self, *keys: str) -> Declared[T]:
        """Return what was typed but for some options."""
        return replace(self, values={key: value for key, value in self.values.items() if key not in keys})

    def options(self, **instead: Any) -> T:
        """Return the options; fields in `instead` in place of what was typed."""
        return build_options(self.kind, self.values, **instead)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """How a command offers the options of a dataclass: a parameter's `Annotated` holds it.

    Attributes:
        without: keys it does not offer.
        panel: of the help that lists them; None leaves each where its declaration says.
    """

    without: tuple[str, ...] = ()
    panel: str | None = None


@dataclass(frozen=True)
class Asked:
    """A parameter of a command that takes options of a dataclass.

    Attributes:
        kind: the dataclass.
        offer: how they are offered.
        built: whether the command takes the dataclass itself, rather than `Declared`.
    """

    kind: type[Any]
    offer: Offer
    built: bool

    def choices(self) -> Iterator[tuple[str, Any, Choice]]:
        """Yield key, default and description of what can be typed."""
        for key, default, described in choices_of(self.kind):
            if key not in self.offer.without:
                panel = described.panel if self.offer.panel is None else self.offer.panel
                yield key, default, replace(described, panel=panel)

    def take(self, typed: Mapping[str, Any]) -> Any:
        """Return what the command gets of all that was typed."""
        declared = Declared(self.kind, {key: typed[key] for key, *_ in self.choices()})
        return declared.options() if self.built else declared


def find_asked(annotation: Any) -> Asked | None:
    """Return what a parameter of a command takes of a dataclass that declares options; None where it takes none."""
    kind, *rest = typing.get_args(annotation) if typing.get_origin(annotation) is Annotated else (annotation,)
    offer = next((one for one in rest if isinstance(one, Offer)), Offer())
    if typing.get_origin(kind) is Declared:
        return Asked(typing.get_args(kind)[0], offer, built=False)
    if isinstance(kind, type) and is_dataclass(kind) and any(True for _ in choices_of(kind)):
        return Asked(kind, offer, built=True)
    return None


def declare_parameters(asked: Iterable[Asked]) -> Iterator[inspect.Parameter]:
    """Yield one parameter for each option; what two declare in the same words is one option.

    Raises:
        TypeError: two declare different options of the same key.
    """
    seen: dict[str, tuple[Any, Choice]] = {}
    for one in asked:
        for key, default, described in one.choices():
            if key not in seen:
                yield inspect.Parameter(
                    key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_annotate(key, default, described)
                )
            elif seen[key] != (default, described):
                raise TypeError(f"{one.kind.__name__} and another declare {key} differently: offer one without it")
            seen[key] = default, described


def _annotate(key: str, default: Any, described: Choice) -> Any:
    spelled = f"{flag(key)}/{shell_words(key, False)[0]}" if described.can_be_off else flag(key)
    paths = described.typed in (Path, list[Path])
    shown = option(
        spelled,
        *_ALSO.get(key, ()),
        panel=described.panel or None,
        metavar=described.metavar or ("|".join(described.known) if described.closed else None),
        help=_describe(described, default),
        complete=_COMPLETIONS.get(key, completion.among(described.known) if described.known else None),
        envvar=described.environment,
        **(_MAY_BE[described.place] if paths else {}),
    )
    return Annotated[described.typed if default is not None else described.typed | None, shown]


def _describe(described: Choice, default: Any) -> str:
    """Return the help; what it says of nothing being typed does not hold where the command has a default."""
    text = described.help
    return re.sub(r" \[default: [^]]*\]", "", text) if default and not isinstance(default, bool) else text
