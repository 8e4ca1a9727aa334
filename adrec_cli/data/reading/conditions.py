"""Conditions that an event must meet, as they are typed: `event in view,transaction`. Parsed here, never evaluated."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import Final

from adrec_cli.data.reading.column_names import Column
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

_FORM: Final = re.compile(
    r"""\s*(?:"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<bare>[^=!<>"']+?))\s*"""
    r"""(?P<operator>!=|<=|>=|=|<|>|\s(?:not\s+)?in\s)\s*(?P<values>.*)""",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition.

    Attributes:
        text: as it was typed.
        column: name, or position from 1.
        operator: one of = != in, not in, < <= > >=.
        values: one, or for `in` and `not in` any number.
    """

    text: str
    column: Column
    operator: str
    values: tuple[str, ...]


def parse_condition(text: str) -> Condition:
    """Read a condition: a column, an operator and a value; values after `in` are separated by commas.

    Raises:
        UsageError: it is none.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{option('where', text)} is not a condition: expected COLUMN OPERATOR VALUE", hint=_give_examples()
        )
    operator = " ".join(found["operator"].lower().split())
    column = found["double"] or found["single"] or found["bare"].strip()
    values = _values(found["values"].strip(), several=operator.endswith("in"))
    if not values or (found["bare"] and re.match("[=!<>]", found["values"].strip())):
        raise UsageError(f"{option('where', text)} names no value after {operator!r}", hint=_give_examples())
    return Condition(text=text, column=column, operator=operator, values=values)


def _values(text: str, *, several: bool) -> tuple[str, ...]:
    """Return the values of a condition, unquoted; commas separate those after `in`."""
    if not several:
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        return (text[1:-1],) if quoted else ((text,) if text else ())
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    quote = "'" if "'" in text and '"' not in text else '"'
    split = next(csv.reader([text], quotechar=quote, skipinitialspace=True), [])
    return tuple(value.strip() for value in split if value.strip())


def _give_examples() -> str:
    return f"for example {option('where', 'event in view,purchase')} or " + option("where", '"event type" = view')
