"""What an option of the data may be, checked without Polars and NumPy: the names of what the other modules do."""

from __future__ import annotations

from typing import Final, Literal

Ties = Literal["source", "item"]
Duplicates = Literal["drop", "keep"]
Overlap = Literal["once", "again"]
Split = Literal["leave-one-out", "time", "given", "cold-items"]
TimeUnit = Literal["s", "ms", "us", "ns", "order"]
Engine = Literal["polars", "spark"]
BadRowPolicy = Literal["error", "skip"]

TIES: Final[tuple[Ties, ...]] = ("source", "item")
DUPLICATES: Final[tuple[Duplicates, ...]] = ("drop", "keep")
OVERLAPS: Final[tuple[Overlap, ...]] = ("once", "again")
SPLITS: Final[tuple[Split, ...]] = ("leave-one-out", "time", "given", "cold-items")
ENGINES: Final[tuple[Engine, ...]] = ("polars", "spark")
TIME_UNITS: Final[tuple[TimeUnit, ...]] = ("s", "ms", "us", "ns", "order")
"""`order` is any number whose order alone means something; it is stored as it is."""
EPOCH_FORMATS: Final = {"epoch-s": "s", "epoch-ms": "ms", "epoch-us": "us", "epoch-ns": "ns"}
"""Names of numbers since 1970, and their units."""
UTC_ZONE: Final = "UTC"
