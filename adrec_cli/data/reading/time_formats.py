"""What `--timestamp-format` takes: names of forms, and formats as Python's strptime knows them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import polars as pl

from adrec_cli.data.names import EPOCH_FORMATS
from adrec_cli.data.reading.time_shapes import Family, Shape
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

NAMED_FORMATS: Final[dict[str, tuple[tuple[Family, ...], str]]] = {
    "iso": (("iso", "yyyymmdd"), "a time such as 2021-12-31 23:59:59, the year first"),
    "dmy": (("day-month",), "a time such as 31.12.2021 23:59, the day first"),
    "mdy": (("day-month",), "a time such as 12/31/2021 11:59 PM, the month first"),
    "month-name": (("month-name",), "a time such as Fri Dec 31 23:59:59 +0000 2021"),
    "yyyymmdd": (("yyyymmdd",), "a date such as 20211231 or 20211231T235959Z"),
}
"""Names of forms of text: the families of shapes that belong to each, and what is expected, in words."""

_DIRECTIVES: Final = {
    "Y": "%Y", "y": "%y", "m": "%m", "d": "%d", "e": "%d", "H": "%H", "I": "%I", "M": "%M", "S": "%S", "p": "%p",
    "b": "%b", "B": "%B", "h": "%b", "a": "%a", "A": "%A", "j": "%j", "z": "%#z", "%": "%%", "G": "%G", "V": "%V",
    "u": "%u", "s": "%s", "F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y",
}  # fmt: skip
_EXAMPLE: Final = datetime(2021, 12, 31, 23, 59, 58, tzinfo=UTC)


def check_format(text: str) -> None:
    """Check a value of `--timestamp-format`.

    Raises:
        UsageError: it is neither a name nor a format that can be read.
    """
    if text not in EPOCH_FORMATS and text not in NAMED_FORMATS:
        compile_format(text)


def describe_format(text: str) -> str:
    """Return what a format expects, in words with an example."""
    if text in NAMED_FORMATS:
        return NAMED_FORMATS[text][1]
    return f"a time as {option('timestamp_format', text)} reads it, such as {_EXAMPLE.strftime(text)!r}"


def compile_format(text: str) -> Shape:
    """Return the shape that a format of strptime stands for; a missing month or day is the first.

    Raises:
        UsageError: it has no year, or a directive that is unknown or ambiguous.
    """
    names = ", ".join((*NAMED_FORMATS, *EPOCH_FORMATS))
    hint = f"for example '%d.%m.%Y %H:%M', or one of: {names}"
    if "%" not in text:
        raise UsageError(f"{option('timestamp_format', text)} is unknown", hint=hint)
    has = set(re.findall(r"%-?(.)", text.replace("%%", "")))
    has |= {part for short, parts in {"F": "Ymd", "T": "HMS", "R": "HM", "D": "mdy"}.items() if short in has
            for part in parts}  # fmt: skip
    if "Z" in has:
        raise UsageError(
            f"{option('timestamp_format', text)}: names of zones (%Z) are ambiguous",
            hint="write the name itself, such as '%Y-%m-%d %H:%M:%S CET', "
            f"and say {option('timezone', 'Europe/Berlin')}",
        )
    if not has & {"Y", "y", "G", "s"}:
        raise UsageError(f"{option('timestamp_format', text)} has no year", hint=hint)
    pattern = _translate(text, hint)
    before_text, before_pattern = "", ""
    if not has & {"s", "j", "G"}:
        for directive, letters in (("%m", "mbBh"), ("%d", "de")):
            if not has & set(letters):
                before_text, before_pattern = f"{before_text}01 ", f"{before_pattern}{directive} "
    if has & {"H", "I"} and "M" not in has:
        before_text, before_pattern = f"{before_text}00 ", f"{before_pattern}%M "
    shape = Shape(
        family="given",
        pattern=pattern,
        # Seconds since 1970 know no zone, and a name of UTC behind the clock says it.
        zoned=bool(has & {"z", "s"}) or re.search(r"(?<!%)(Z|UTC|GMT)$", text) is not None,
        before=(before_text, before_pattern),
        decimal_comma="%S,%f" in text,
    )
    if not _works(shape, _EXAMPLE.strftime(text)):
        raise UsageError(f"{option('timestamp_format', text)} reads no time back that it wrote", hint=hint)
    return shape


def _translate(text: str, hint: str) -> str:
    # Python's %f is digits behind a point, which the pattern has to hold together.
    text = re.sub(r"%S[.,]%f", "%S%.f", text)

    def translate_directive(match: re.Match[str]) -> str:
        if match[0] == "%.f":
            return match[0]
        if match[1] not in _DIRECTIVES:
            raise UsageError(f"{option('timestamp_format')}: {match[0]!r} is unknown here", hint=hint)
        return _DIRECTIVES[match[1]]

    return re.sub(r"%\.f|%-?(.?)", translate_directive, text)


def _works(shape: Shape, value: str) -> bool:
    try:
        return pl.select(shape.parse(pl.lit(value))).item() is not None
    except pl.exceptions.PolarsError:
        return False
