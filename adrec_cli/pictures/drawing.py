"""All pictures of a data set, by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.loading.opening import Dataset
from adrec_cli.pictures.curves import curves
from adrec_cli.pictures.item_vectors import maps, spectrum
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import Picture
from adrec_cli.pictures.slices import slices
from adrec_cli.pictures.steps import steps
from adrec_cli.pictures.sweeps import sweeps

KINDS: Mapping[str, Callable[[Dataset, PictureOptions], list[Picture]]] = MappingProxyType(
    {"curves": curves, "embeddings": maps, "spectrum": spectrum, "slices": slices, "sweeps": sweeps, "steps": steps}
)
"""Kinds of pictures by name."""


@dataclass(frozen=True, kw_only=True)
class PicturesStarted:
    """Pictures of a kind are being drawn."""

    kind: str


@dataclass(frozen=True, kw_only=True)
class PicturesSkipped:
    """There is nothing to draw a kind of picture from, and why."""

    kind: str
    reason: str


def draw_kinds(
    dataset: Dataset, kinds: Sequence[str], options: PictureOptions, on_event: OnEvent = ignore
) -> Iterator[Picture | PicturesSkipped]:
    """Yield the pictures of a dataset, and what there is nothing to draw from; arguments and errors as `plot`.

    Where kinds are asked for by name, one that cannot be drawn is an error.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise UsageError(f"unknown kind of picture {unknown[0]!r}", hint=f"one of: {', '.join(KINDS)}")
    for kind in kinds or KINDS:
        on_event(PicturesStarted(kind=kind))
        try:
            yield from KINDS[kind](dataset, options)
        except ArtifactError as error:
            if kinds:
                raise
            skipped = PicturesSkipped(kind=kind, reason=error.message)
            on_event(skipped)
            yield skipped
