"""Which free column looks most like users or items: for the command that a message suggests, never taken unasked."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from adrec_cli.data.reading.column_names import Role, names_an_id
from adrec_cli.data.reading.time_columns import column_content

_STEMS: Final[dict[Role, re.Pattern[str]]] = {
    "user": re.compile(
        "user|usr|nutzer|besteller|kund|client|custom|person|member|student|player|reader|visitor|patient|usuario|utilisat|abonn|buyer"
        "|shopper|account|guest|email|cte"
    ),
    "item": re.compile(
        "item|prod|artic|artik|song|track|movie|film|book|livre|libro|course|game|venue|place|poi|show|sku|page|recipe"
        "|goods|attraction|location|hotel|restaurant|video|news|asin|isbn|title|url|art$"
    ),
    "rating": re.compile("rat|score|star|note|bewert|overall"),
}
_NEITHER: Final = re.compile(
    "^(row|index|nr|no|seq)|^id$|session|order|command|bestell|pedido|invoice|rechnung|basket|cart|transaction|event"
    "|check.?in|categor|kategor|postal|zip|price|preis|prix|amount|quantity|rating|score|^lat|^lng|^lon|cluster|type"
    "|status|country|city|state|date|time"
)


def guess_column(
    role: Role, columns: Sequence[str], sample: Sequence[Sequence[str]], free: Collection[int]
) -> int | None:
    """Return the position, from 0, of the column to suggest for a role; None if none can be.

    Args:
        role: that is looked for; of the rating only that it is a column of something is asked.
        columns: names in order.
        sample: the first rows as text.
        free: positions without a role.
    """
    ranked = []
    for position in sorted(free):
        name, values = columns[position].casefold(), [row[position] for row in sample if len(row) > position]
        content = column_content(values)
        if content in ("", "dates", "clock"):
            continue
        fits = [one for one, stem in _STEMS.items() if stem.search(name)]
        unlikely = role in ("user", "item") and (bool(_NEITHER.search(name)) or _hold_fractions(values))
        fitting = role in fits
        doubts = (bool(fits) and not fitting, unlikely and not fitting, not fitting, not names_an_id(columns[position]))
        ranked.append((*doubts, position))
    return min(ranked)[-1] if ranked else None


def _hold_fractions(values: Sequence[str]) -> bool:
    return any(re.fullmatch(r"-?\d+[.,]\d*[1-9]\d*", value.strip()) for value in values)
