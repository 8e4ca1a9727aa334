"""Pictures in the page: inside the file, apart from its text, so that nothing in them can reach it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.events import OnEvent
from adrec_cli.loading.opening import Dataset
from adrec_cli.pages.markup import Html, element
from adrec_cli.pictures.drawing import KINDS, draw_kinds
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import Picture

_POINTS = ("embeddings",)
"""Kinds of thousands of points: as PNG they are a tenth of the size."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What could be drawn.

    Attributes:
        by_kind: figures by kind and by name.
        missing: why none could be drawn at all; "" if some could.
    """

    by_kind: dict[str, dict[str, Html]] = field(default_factory=dict)
    missing: str = ""

    def of(self, kind: str) -> list[Html]:
        """Return the figures of a kind."""
        return list(self.by_kind.get(kind, {}).values())


def draw_pictures(dataset: Dataset, on_event: OnEvent) -> Pictures:
    """Draw everything there is to draw of a dataset; without matplotlib there is nothing, and a word why."""
    by_kind: dict[str, dict[str, Html]] = {}
    for kind in KINDS:
        try:
            for found in draw_kinds(dataset, [kind], PictureOptions(), on_event):
                if isinstance(found, Picture):
                    by_kind.setdefault(kind, {})[found.name] = figure(found, as_points=kind in _POINTS)
        except ArtifactError:
            # There is nothing to draw it from.
            continue
        except UsageError as error:
            return Pictures(by_kind=by_kind, missing=f"{error.message}: {error.hint}")
    return Pictures(by_kind=by_kind)


def figure(picture: Picture, *, as_points: bool) -> Html:
    """Return a picture as a figure of the page."""
    kind, content = ("png", picture.png()) if as_points else ("svg+xml", picture.svg())
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    told = (picture.title, picture.about, picture.note)
    image = element("img", src=source, alt=" ".join(f"{text}." for text in told if text))
    # On a phone it is wider than the screen, so that its letters can be read; what scrolls is reached by keys, too.
    label = f"Picture: {picture.title}, {picture.name}"
    return element("figure", element("div", image, class_="picture", role="region", aria_label=label, tabindex=0))
