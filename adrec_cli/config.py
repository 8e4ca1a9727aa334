"""TOML and flags into dataclasses; an unknown key or a wrong type is an error that names the key and its file."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import tomllib
import types
from collections.abc import Collection, Iterable, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from adrec_cli.errors import StorageError, UsageError
from adrec_cli.wording import option

T = TypeVar("T")

PRESETS_PACKAGE = "adrec_cli.presets"

MOST = MappingProxyType(
    {
        "hidden_size": 16_384,
        "gru_size": 16_384,
        "blocks": 256,
        "cam_blocks": 256,
        "adm_blocks": 256,
        "layers": 256,
        "heads": 1_024,
        "feed_forward_multiplier": 64,
        "max_length": 100_000,
        "diffusion_steps": 10_000,
        "negatives": 100_000,
        "monitor_negatives": 10_000,
        "batch_size": 1_000_000,
        "epochs": 1_000_000,
        "patience": 1_000_000,
        "validate_every": 1_000_000,
    }
)
"""The largest value of options that decide about memory and time; above it stands a slip, or malice."""
_MOST_OF_ANY = 2**63 - 1


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        UsageError: missing or not TOML; the message has the line and column.
        StorageError: unreadable.
    """
    try:
        # Some editors begin a file with a byte-order mark.
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise UsageError(f"configuration {path} does not exist", hint=f"check {option('config')}") from error
    except (ValueError, RecursionError) as error:
        # Not TOML, not UTF-8, nested without end, or a number of more digits than Python reads.
        raise UsageError(f"{path} is not valid TOML: {error}", hint="fix that line") from error
    except OSError as error:
        raise StorageError(f"could not read {path}: {error.strerror}", hint=f"check {option('config')}") from error


def preset_names() -> list[str]:
    """Return the names of the presets that ship with adrec."""
    folder = resources.files(PRESETS_PACKAGE)
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read_preset(name: str) -> dict[str, Any]:
    """Read a preset that ships with adrec.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in preset_names():
        raise UsageError(f"unknown preset {name!r}", hint=f"one of: {', '.join(preset_names())}")
    return tomllib.loads((resources.files(PRESETS_PACKAGE) / f"{name}.toml").read_text())


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested tables laid over each other; later layers win key by key."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            result[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Turn `model.lambda=0.01` or `stages.align.epochs=3` into tables; values are TOML, bare words are strings.

    Raises:
        UsageError: not of the form KEY=VALUE.
    """
    tables: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        parts = key.strip().split(".")
        if not equals or len(parts) < 2 or not all(parts):
            raise UsageError(
                f"{option('set')} takes TABLE.KEY=VALUE, got {setting!r}",
                hint=f"for example: {option('set', 'stages.finetune.mse_weight=0.7')}",
            )
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            value = text
        for part in reversed(parts):
            value = {part: value}
        tables = merge(tables, value)
    return tables


def read_seconds(text: str) -> float:
    """Return the seconds of a time such as 90, 90s, 50m, 2h or 1d; with no unit they are seconds.

    Raises:
        UsageError: it is no such time.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd]?)", text.strip(), re.ASCII)
    if found is None or not float(found[1]):
        raise UsageError(f"{text!r} is not a time above 0", hint="write seconds, or 50m, 2h, 1d")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


def require_known(table: Mapping[str, Any], known: list[str], *, where: str) -> None:
    """Raise unless every key of a table is known.

    Args:
        table: as read.
        known: the keys that mean something.
        where: of the table, such as "[stages]"; "" for the top level.

    Raises:
        UsageError: naming the unknown key and the nearest known one.
    """
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            guess = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise UsageError(f"unknown configuration key {key!r}{f' in {where}' if where else ''}", hint=guess)


def option_names(kind: type[Any]) -> list[str]:
    """Return the keys a configuration dataclass takes; a field `lambda_` is the key `lambda`."""
    return [field.name.rstrip("_") for field in dataclasses.fields(kind)]


def build(kind: type[T], table: Mapping[str, Any], *, where: str, base: T | None = None) -> T:
    """Make a frozen configuration dataclass from a table.

    Args:
        kind: the dataclass; it validates its own values.
        table: keys and values as TOML or flags give them.
        where: of the table, for messages.
        base: what the table changes; None starts from the defaults.

    Raises:
        UsageError: an unknown key, a wrong type, or a value the dataclass refuses.
    """
    assert dataclasses.is_dataclass(kind)
    require_known(table, option_names(kind), where=where)
    hints = get_type_hints(kind)
    fields = {field.name.rstrip("_"): field.name for field in dataclasses.fields(kind)}
    values = {
        fields[key]: _check_bounds(_convert(value, hints[fields[key]], where=place), key, where=place)
        for key, value in table.items()
        for place in [f"{where} {key}".strip()]
    }
    if base is not None:
        return dataclasses.replace(base, **values)  # type: ignore[type-var]
    return kind(**values)


def require_at_least(config: Any, least: float, *names: str, table: str = "") -> None:
    """Raise unless each of these options is at least so much.

    Args:
        config: a configuration dataclass.
        least: the smallest value allowed.
        names: of its fields.
        table: of the configuration, for the message; "" names the option alone.

    Raises:
        UsageError: naming the option, the bound and the value.
    """
    for name in names:
        # The other way round, so that NaN is refused too.
        if not getattr(config, name) >= least:
            must = "must not be negative" if least == 0 else f"must be at least {least}"
            raise _range_error(config, name, must, table)


def require_positive(config: Any, *names: str, table: str = "") -> None:
    """Raise unless each of these options is above 0; arguments and error as `require_at_least`."""
    for name in names:
        if not getattr(config, name) > 0:
            raise _range_error(config, name, "must be positive", table)


def require_share(config: Any, *names: str, table: str = "") -> None:
    """Raise unless each of these options is in [0, 1); arguments and error as `require_at_least`."""
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise _range_error(config, name, "must be in [0, 1)", table)


def require_one_of(config: Any, name: str, known: Collection[str], *, table: str = "") -> None:
    """Raise unless an option has one of the known values; the hint lists them.

    Args:
        config, name, table: as `require_at_least`.
        known: the values that mean something.

    Raises:
        UsageError: naming the option and its value.
    """
    value = getattr(config, name)
    if value not in known:
        raise UsageError(f"unknown {_full_name(name, table)} {value!r}", hint=f"one of: {', '.join(known)}")


def _full_name(name: str, table: str) -> str:
    return f"{table}.{name.rstrip('_')}" if table else name.rstrip("_")


def _range_error(config: Any, name: str, must: str, table: str) -> UsageError:
    return UsageError(f"{_full_name(name, table)} {must}, got {getattr(config, name)}")


_TYPES: Final[Mapping[type, tuple[str, str]]] = {
    tuple: ("list of strings", """for example '["one","two"]', in quotes where a shell reads it"""),
    bool: ("bool", "true or false"),
    int: ("int", "a whole number, without a decimal point or an exponent"),
    float: ("float", "a number, such as 0.1 or 1e-4"),
}
"""What messages call a type that is expected, and how one writes it."""


def _convert(value: Any, expected: Any, *, where: str) -> Any:
    """Return the value as the field's type; integers pass for floats and lists for tuples, nothing else."""
    if get_origin(expected) is types.UnionType:
        if value is None:
            return None
        expected = next(option for option in get_args(expected) if option is not type(None))
    if get_origin(expected) is tuple:
        if isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value):
            return tuple(value)
    elif expected is float and isinstance(value, int) and not isinstance(value, bool):
        return _as_float(value, where)
    elif isinstance(value, expected) and (expected is bool or not isinstance(value, bool)):
        return value
    name, hint = _TYPES.get(get_origin(expected) or expected, (expected.__name__, ""))
    raise UsageError(f"{where}: expected {name}, got {value!r}", hint=hint)


def _as_float(value: int, where: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise UsageError(f"{where} must be a finite number, got {_shorten(value)}") from error


def _check_bounds(value: Any, key: str, *, where: str) -> Any:
    """Return the value unless it is a number that is not finite or larger than anybody means."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{where} must be a finite number, got {value}")
    most = MOST.get(key, _MOST_OF_ANY)
    if isinstance(value, int) and abs(value) > most:
        raise UsageError(f"{where} must be at most {most:,}, got {_shorten(value)}")
    return value


def _shorten(number: int) -> str:
    """Return a whole number, of which Python would not write out more than some thousand digits."""
    return f"{number:,}" if abs(number) < 10**30 else "a number of more than 30 digits"
