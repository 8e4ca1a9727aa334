"""Options declared once: a field says in words what it chooses, and the command line makes a flag of it."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypedDict, TypeVar, Unpack, cast

from adrec_cli.errors import UsageError
from adrec_cli.wording import option

T = TypeVar("T")

_CHOICE: Final = "choice"
_EMBEDDED: Final = "embedded"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a user sees of an option.

    Attributes:
        typed: the type of what is typed; a list where it may be given several times.
        help: a sentence of its own.
        key: of the option in messages and as a flag; "" where it is the field's name.
        read: makes the field's value of what is typed, where that is something else.
        shown: stands as default where the field's own cannot be typed.
        metavar: what stands for the value in the help; of a closed set its values, unless it is given.
        panel: of the help that lists it; "" for the first one.
        usual: belongs to the short help of a command with many options.
        known: values that are offered.
        closed: whether no other value is possible.
        least, most: bounds of a number, both allowed.
        environment: variable that gives it where nobody types it.
        can_be_off: whether there is a flag that turns it off.
        place: what a path may be, if it is there.
    """

    typed: Any
    help: str
    key: str = ""
    read: Callable[[Any], Any] | None = None
    shown: Any = None
    metavar: str | None = None
    panel: str = ""
    usual: bool = False
    known: Sequence[str] = ()
    closed: bool = False
    least: float | None = None
    most: float | None = None
    environment: str | None = None
    can_be_off: bool = False
    place: Literal["file", "folder", "any"] = "file"

    @property
    def repeats(self) -> bool:
        """Whether it may be given several times."""
        return getattr(self.typed, "__origin__", None) is list


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A field whose value has options of its own.

    Attributes:
        kind: its dataclass.
        without: keys that cannot be typed here.
        panel: of the help that lists them; None leaves each where it says.
    """

    kind: type[Any]
    without: frozenset[str]
    panel: str | None


class More(TypedDict, total=False):
    """The rest of `Choice`, by name, so that a slip in a declaration is an error of types."""

    key: str
    read: Callable[[Any], Any]
    shown: Any
    metavar: str
    panel: str
    usual: bool
    known: Sequence[str]
    closed: bool
    least: float
    most: float
    environment: str
    can_be_off: bool
    place: Literal["file", "folder", "any"]


def choice(default: T, typed: Any, help: str, **more: Unpack[More]) -> T:
    """Return a field of a dataclass of options that the command line offers too.

    Args:
        default: of the field, and of its flag.
        typed, help: as in `Choice`.
        more: the rest of `Choice`.
    """
    metadata = {_CHOICE: Choice(typed=typed, help=help, **more)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def choose(typed: Any, help: str, **more: Unpack[More]) -> Any:
    """Return a field that has no default, so that whoever types nothing must say in another way what it is.

    Args:
        typed, help, more: as in `choice`.
    """
    return dataclasses.field(metadata={_CHOICE: Choice(typed=typed, help=help, **more)})


def embed(default: T, *, without: Sequence[str] = (), panel: str | None = None) -> T:
    """Return a field that holds other options, which the command line then offers too.

    Args:
        default: an instance of their dataclass, whose values are the flags' defaults.
        without, panel: as in `Embedded`.
    """
    inside = Embedded(kind=type(default), without=frozenset(without), panel=panel)
    return dataclasses.field(default=default, metadata={_EMBEDDED: inside})


def choices_of(options: type[Any] | Any) -> Iterator[tuple[str, Any, Choice]]:
    """Yield key, default as typed, and description of every option that a dataclass offers.

    Where the dataclass and one that is embedded in it have an option of the same key, the outer one describes it.

    Args:
        options: the dataclass, or an instance whose values are the defaults.
    """
    given = {_key_of(entry) for entry in dataclasses.fields(options) if _CHOICE in entry.metadata}
    for entry in dataclasses.fields(options):
        default = entry.default if isinstance(options, type) else getattr(options, entry.name)
        if _CHOICE in entry.metadata:
            described: Choice = entry.metadata[_CHOICE]
            yield _key_of(entry), _default_as_typed(entry, default), described
        elif _EMBEDDED in entry.metadata:
            inside: Embedded = entry.metadata[_EMBEDDED]
            for key, inner, described in choices_of(default):
                if key not in inside.without | given:
                    given.add(key)
                    yield key, inner, described if inside.panel is None else _list_in(inside.panel, described)


def build_options(kind: type[T], typed: Mapping[str, Any], **instead: Any) -> T:
    """Return the options that were typed.

    Args:
        kind: their dataclass.
        typed: by key; what is not typed is the default or not there.
        instead: values of fields, in place of what was typed.

    Raises:
        UsageError: what was typed cannot be read, or does not go together.
    """
    return kind(**_read_fields(kind, typed, except_for=instead), **instead)


def take_options(options: T, given: Mapping[str, Any], *, caller: str) -> T:
    """Return options with those that a caller of Python has given by key, in place of what they were.

    A text, a number or a list stands for what the command line would make of it when typed; None changes nothing.

    Args:
        options: an instance of their dataclass.
        given: by key, as the command line's flags are called.
        caller: the function of Python that was called so.

    Raises:
        TypeError: there is no option of that key, as Python says of any argument.
        UsageError: a value is of another kind, cannot be read, is not allowed, or does not go with the others.
    """
    if unknown := given.keys() - _keys_of(cast(Any, type(options))):
        raise TypeError(f"{caller}() got an unexpected keyword argument {min(unknown)!r}")
    return _replace_given(options, {key: value for key, value in given.items() if value is not None})


@functools.cache
def _keys_of(options: type[Any]) -> frozenset[str]:
    """Return the keys of all options that a dataclass offers."""
    return frozenset(key for key, _, _ in choices_of(options))


def _replace_given(options: T, given: Mapping[str, Any]) -> T:
    """Return options with what is given in place of what they were; the very same where nothing of theirs is."""
    if _keys_of(cast(Any, type(options))).isdisjoint(given):
        return options
    values: dict[str, Any] = {}
    for entry in dataclasses.fields(cast(Any, options)):
        if _EMBEDDED in entry.metadata:
            inside: Embedded = entry.metadata[_EMBEDDED]
            within = {key: value for key, value in given.items() if key not in inside.without}
            before = getattr(options, entry.name)
            if (after := _replace_given(before, within)) is not before:
                values[entry.name] = after
        elif _CHOICE in entry.metadata and (key := _key_of(entry)) in given:
            default = getattr(options, entry.name)
            # Tables need not be typed as text.
            is_table = isinstance(default, Mapping) and isinstance(given[key], Mapping)
            values[entry.name] = given[key] if is_table else _take(key, given[key], entry.metadata[_CHOICE])
    return cast(T, dataclasses.replace(cast(Any, options), **values)) if values else options


def _take(key: str, value: Any, described: Choice) -> Any:
    kind = getattr(described.typed, "__origin__", described.typed)
    said, takes, convert = _GIVEN[kind]
    if not takes(value):
        raise UsageError(f"{option(key)} must be {said}, got {value!r}")
    return _read(convert(value), described)


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


_GIVEN: Final[Mapping[type, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]]] = MappingProxyType(
    {
        str: ("a text", lambda value: isinstance(value, str) or _is_number(value, Real), str),
        bool: ("True or False", lambda value: isinstance(value, bool), bool),
        int: ("a whole number", lambda value: _is_number(value, Integral), int),
        float: ("a number", lambda value: _is_number(value, Real), float),
        list: ("a list of texts", lambda value: _is_list(value) and all(isinstance(one, str) for one in value), list),
        Path: ("a path", lambda value: isinstance(value, str | os.PathLike), Path),
    }
)
"""What may be given of each type: in words, whether a value is such, and what is made of it."""


def require_allowed(options: Any) -> None:
    """Raise unless every value of a dataclass of options is one that its field declares to be possible.

    Raises:
        UsageError: naming the option, its value, and the bounds or the values that are possible.
    """
    for entry in dataclasses.fields(options):
        described: Choice | None = entry.metadata.get(_CHOICE)
        if described is None:
            continue
        value = getattr(options, entry.name)
        if described.closed and value is not None and value not in described.known:
            raise UsageError(f"unknown {_key_of(entry)} {value!r}", hint=f"one of: {', '.join(described.known)}")
        if isinstance(value, (int, float)) and not _is_within(value, described):
            raise UsageError(f"{option(_key_of(entry))} must be {_bounds(described)}, got {value}")


def _is_within(value: float, described: Choice) -> bool:
    # The other way round than one would ask, so that NaN is not.
    least, most = described.least, described.most
    return (least is None or value >= least) and (most is None or value <= most)


def _bounds(described: Choice) -> str:
    least, most = described.least, described.most
    if least is None:
        return f"at most {most:,.10g}"
    if most is None:
        return f"at least {least:,.10g}"
    return f"between {least:,.10g} and {most:,.10g}"


def _read_fields(
    options: type[Any] | Any, typed: Mapping[str, Any], except_for: Collection[str] = ()
) -> dict[str, Any]:
    values = {}
    for entry in dataclasses.fields(options):
        if entry.name in except_for:
            continue
        default: Any = entry.default if isinstance(options, type) else getattr(options, entry.name)
        if _EMBEDDED in entry.metadata:
            inside: Embedded = entry.metadata[_EMBEDDED]
            within = {key: value for key, value in typed.items() if key not in inside.without}
            values[entry.name] = dataclasses.replace(default, **_read_fields(default, within))
        elif _CHOICE in entry.metadata and (key := _key_of(entry)) in typed:
            described: Choice = entry.metadata[_CHOICE]
            if typed[key] != _default_as_typed(entry, default):
                values[entry.name] = _read(typed[key], described)
    return values


def _read(value: Any, described: Choice) -> Any:
    if described.read is not None:
        return described.read(value)
    return tuple(value) if isinstance(value, list) else value


def _default_as_typed(entry: dataclasses.Field[Any], default: Any) -> Any:
    """Return what the command line has where nothing is typed, of a field whose default may be another than its own."""
    described: Choice = entry.metadata[_CHOICE]
    if default is dataclasses.MISSING:
        return described.shown
    if described.read is None and not described.repeats:
        return default
    is_own = default == entry.default or entry.default is dataclasses.MISSING
    return described.shown if is_own else str(default)


def _key_of(entry: dataclasses.Field[Any]) -> str:
    return entry.metadata[_CHOICE].key or entry.name


def _list_in(panel: str, described: Choice) -> Choice:
    return dataclasses.replace(described, panel=panel)
