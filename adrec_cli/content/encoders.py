"""Encoders by name: each is fitted to a catalogue once, and then turns these and later items into vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.content import categories, cooccurrence, given, numbers, static_words, tfidf
from adrec_cli.content.one_thread import one_thread
from adrec_cli.content.options import MOST_WIDTH, WIDTH
from adrec_cli.content.state import Matrix, State, require_arrays
from adrec_cli.errors import ArtifactError, InputError, UsageError, look_up
from adrec_cli.wording import command, say_count

_ITEMS_AT_ONCE = 65_536
"""Items that are encoded together: float64 of a large catalogue would take many times what is written."""


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """How columns become vectors.

    Attributes:
        fit: (columns, most entries) -> what it has learned of the catalogue.
        width: what it has learned -> entries of a vector. Raises ValueError if it cannot have learned that.
        encode: (columns, what it has learned) -> a vector an item, zeros for an item of which nothing is known.
        arrays: names of what it learns.
        extra: that has to be installed; "" for none.
    """

    fit: Callable[[pl.DataFrame, int], State]
    width: Callable[[State], int]
    encode: Callable[[pl.DataFrame, State], Matrix]
    arrays: tuple[str, ...]
    extra: str = ""


ENCODERS: Mapping[str, Encoder] = MappingProxyType(
    {
        "tfidf": Encoder(
            fit=tfidf.fit, width=tfidf.width, encode=tfidf.encode, arrays=("terms", "idf", "components"), extra="text"
        ),
        "wordllama": Encoder(
            fit=static_words.fit,
            width=static_words.width,
            encode=static_words.encode,
            arrays=("weights_sha256", "cut"),
            extra="text",
        ),
        "categories": Encoder(
            fit=categories.fit,
            width=categories.width,
            encode=categories.encode,
            arrays=("values", "weights", "components"),
        ),
        "numbers": Encoder(fit=numbers.fit, width=numbers.width, encode=numbers.encode, arrays=("edges", "columns")),
        "cooccurrence": Encoder(
            fit=cooccurrence.fit,
            width=cooccurrence.width,
            encode=cooccurrence.encode,
            arrays=("ids", "shares", "components"),
            extra="text",
        ),
        "vectors": Encoder(fit=given.fit, width=given.width, encode=given.encode, arrays=("width",)),
    }
)


@dataclass(frozen=True, kw_only=True)
class FittedEncoder:
    """An encoder with the columns it reads and what it has learned of a catalogue.

    Attributes:
        name: in `ENCODERS`.
        columns: of the items.
        state: what it has learnt.
    """

    name: str
    columns: tuple[str, ...]
    state: State

    def __post_init__(self) -> None:
        require_arrays(self.state, look_up(ENCODERS, self.name, "encoder").arrays)
        if not 0 < self.width <= MOST_WIDTH:
            raise ValueError(f"{self.name} of {say_count(self.width, 'entry', 'entries')}")

    @property
    def width(self) -> int:
        """Entries of a vector."""
        return ENCODERS[self.name].width(self.state)

    def encode(self, items: pl.DataFrame) -> npt.NDArray[np.float32]:
        """Return a vector of length 1 for each item; zeros where its columns say nothing.

        Args:
            items: one row per item. A column that is missing counts as empty.

        Raises:
            UsageError: what the encoder needs is not installed.
            ArtifactError: it has changed since it was fitted.
        """
        absent = [pl.lit(None).alias(column) for column in self.columns if column not in items.columns]
        table = items.with_columns(absent).select(self.columns)
        with one_thread():
            return normalize(ENCODERS[self.name].encode(table, self.state))


def fit_encoder(name: str, columns: Sequence[str], items: pl.DataFrame, *, width: int = WIDTH) -> FittedEncoder:
    """Fit an encoder to a catalogue.

    Args:
        name: in `ENCODERS`.
        columns: of the items.
        items: one row per item.
        width: entries of a vector at most.

    Raises:
        UsageError: an unknown encoder, a width out of bounds, or what it needs is not installed.
        InputError: the items have no such column, or it says nothing.
    """
    encoder = look_up(ENCODERS, name, "encoder")
    if not 1 <= width <= MOST_WIDTH:
        raise UsageError(f"width must be between 1 and {MOST_WIDTH:,}, got {width}")
    for column in columns:
        if column not in items.columns:
            raise InputError(
                f"items have no column {column!r} for {name}",
                hint=f"they have: {', '.join(map(repr, items.columns))}",
            )
    with one_thread():
        state = encoder.fit(items.select(columns), width)
    return FittedEncoder(name=name, columns=tuple(columns), state=state)


def encode_items(encoders: Sequence[FittedEncoder], items: pl.DataFrame) -> npt.NDArray[np.float16]:
    """Return what all encoders say of each item, one beside the other, (items, widths together).

    Args:
        encoders: fitted.
        items: one row per item.

    Raises:
        ArtifactError: an encoder gives values that are not finite.
    """
    vectors_VC = np.empty((items.height, sum(encoder.width for encoder in encoders)), dtype=np.float16)
    for begin in range(0, items.height, _ITEMS_AT_ONCE):
        some = items.slice(begin, _ITEMS_AT_ONCE)
        blocks = [encoder.encode(some) for encoder in encoders]
        for encoder, block in zip(encoders, blocks, strict=True):
            if not np.isfinite(block).all():
                raise ArtifactError(
                    f"encoder {encoder.name} gives values that are not finite",
                    hint=f"make them again: {command('encode')}",
                )
        vectors_VC[begin : begin + some.height] = np.concatenate(blocks, axis=1)
    return vectors_VC


def silent_items(encoders: Sequence[FittedEncoder], vectors_VC: npt.NDArray[np.float16]) -> list[int]:
    """Return of how many items each encoder says nothing."""
    ends = np.cumsum([encoder.width for encoder in encoders])
    return [int((~block.any(axis=1)).sum()) for block in np.split(vectors_VC, ends[:-1], axis=1)]


def normalize(vectors_VC: Matrix) -> npt.NDArray[np.float32]:
    """Return vectors scaled to length 1; zeros stay zeros."""
    vectors_VC = vectors_VC.astype(np.float64)
    # Scaled by the largest entry first, so that no square overflows.
    vectors_VC = vectors_VC / np.maximum(np.abs(vectors_VC).max(axis=1, initial=0.0, keepdims=True), 1e-300)
    lengths_V1 = np.sqrt((vectors_VC**2).sum(axis=1, keepdims=True))
    return (vectors_VC / np.where(lengths_V1 > 0, lengths_V1, 1.0)).astype(np.float32)
