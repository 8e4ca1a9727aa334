"""A share of the users for one of several processes: every n-th row group of `sequences.parquet`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adrec_cli.errors import UsageError
from adrec_cli.wording import option


@dataclass(frozen=True)
class Shard:
    """One of several shares.

    Attributes:
        number: from 0.
        count: of all shares.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that a text like 0/4 names.

        Raises:
            UsageError: it names none.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
        if found is None or not int(found[1]) < int(found[2]):
            raise UsageError(
                f"{text!r} is not a shard", hint=f"the first of four is {option('shard', '0/4')}, the last 3/4"
            )
        return cls(int(found[1]), int(found[2]))

    def of(self, total: int) -> range:
        """Return which of `total` row groups are its own."""
        return range(self.number, total, self.count)


WHOLE = Shard(0, 1)
"""All users."""
