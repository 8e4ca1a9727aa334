"""A few recommended lists by their titles, which anybody can judge."""

from __future__ import annotations

from adrec_cli.pages.markup import Content, Html, element, join, paragraph, section, sha
from adrec_cli.reporting.data_section import shorten
from adrec_cli.reporting.examples import Examples, NamedItem


def examples_section(examples: Examples) -> Html:
    """Return the section about example recommendations."""
    state = "promoted" if examples.promoted else "not promoted"
    about: list[Content] = [
        "What ", element("strong", examples.model), " (", sha(examples.checkpoint_sha256), f", {state}) recommends to ",
        "somebody who has had one popular item and nothing else. How good it is with real histories, the results say.",
    ]  # fmt: skip
    shown = [
        element(
            "figure",
            element("figcaption", "After ", element("strong", _show(item))),
            element("ol", *(element("li", _show(other)) for other in recommended), class_="examples"),
        )
        for item, recommended in examples.lists
    ]
    return section("examples", "Example recommendations", paragraph(*about), element("div", *shown, class_="charts"))


def _show(item: NamedItem) -> Content:
    return join([shorten(item.title), " ", element("code", item.item_id)]) if item.title else item.item_id
