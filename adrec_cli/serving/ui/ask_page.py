"""The page on which one searches items, builds or names a history, and sees what is recommended and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adrec_cli.errors import AdrecError
from adrec_cli.pages.markup import Content, Html, element, join, paragraph
from adrec_cli.recommending.explaining import Explanation
from adrec_cli.serving.served_model import Answer, ServedModel
from adrec_cli.serving.ui.asked import MOST_HISTORY, MOST_ITEMS, Asked

FOUND_AT_MOST = 20
_POPULAR = "popular"


@dataclass(frozen=True, kw_only=True)
class FoundItem:
    """An item of the catalogue; title where it is known."""

    item_id: str
    title: str | None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.title or self.item_id


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What one model answered.

    Attributes:
        model: that answered.
        answer: its list, or why there is none.
    """

    model: ServedModel
    answer: Answer | AdrecError


def show_form(
    asked: Asked, history: Sequence[FoundItem], found: Sequence[FoundItem] | None, *, action: str = "/"
) -> Html:
    """Return the form.

    Args:
        asked: what stands in it.
        history: items of the history, in order.
        found: items that the search found; None where nothing is searched for.
        action: path that it is sent to.
    """
    # Enter in any field presses the first button of a form: it must not be one that changes the history.
    named = element(
        "fieldset",
        element("legend", "Recommend for"),
        _field("User", "user", asked.user, note="an id of the data set; a history goes first"),
        _field("Items", "k", str(asked.k), kind="number", least=1, most=MOST_ITEMS),
        element(
            "label",
            element("input", type="checkbox", name="explain", value="on", checked="checked" if asked.explain else None),
            " say what moved each score",
            class_="check",
        ),
        element("button", "Recommend", type="submit", class_="main"),
    )
    items = [
        element(
            "li",
            element("input", type="hidden", name="item", value=one.item_id),
            element("span", _show_name(one), class_="item"),
            element("button", "Remove", type="submit", name="drop", value=place, aria_label=f"Remove {one.name}"),
        )
        for place, one in enumerate(history)
    ]
    built = element("ol", *items, class_="history") if items else paragraph("No items yet: search for some.")
    added = element(
        "fieldset",
        element("legend", "Or a history, oldest first"),
        built,
        _field("Search for items", "q", asked.search, kind="search", note="part of a title or an id"),
        element("button", "Search", type="submit"),
        show_found(found, full=len(history) >= MOST_HISTORY),
    )
    return element("form", named, added, method="get", action=action)


def show_found(found: Sequence[FoundItem] | None, *, full: bool) -> Html:
    """Return what the search found, each with a button that adds it."""
    content: list[Content] = []
    if full:
        content = [paragraph(f"The history is full: {MOST_HISTORY} items are as many as an address holds.")]
    elif found is not None and not found:
        content = [paragraph("No item has that in its title or id.")]
    elif found:
        rows = [
            element(
                "li",
                element("span", _show_name(one), class_="item"),
                element("button", "Add", type="submit", name="item", value=one.item_id, aria_label=f"Add {one.name}"),
            )
            for one in found
        ]
        more = paragraph(f"The first {FOUND_AT_MOST}.") if len(found) == FOUND_AT_MOST else None
        content = [element("ul", *rows, class_="found"), *([more] if more else [])]
    return element("div", *content, id="found", aria_live="polite")


def show_lists(shown: Sequence[Shown], titles: Mapping[str, str | None]) -> Html:
    """Return the list of each model, side by side.

    Args:
        shown: one or two.
        titles: of the items that reasons name, by their id.
    """
    ids = [
        {str(item["item_id"]) for item in one.answer.items} if isinstance(one.answer, Answer) else set()
        for one in shown
    ]
    both = set.intersection(*ids) if len(ids) > 1 else None
    return element("div", *(_list(one, both, titles) for one in shown), class_="lists")


def _list(shown: Shown, both: set[str] | None, titles: Mapping[str, str | None]) -> Html:
    recommender, answer = shown.model.recommender, shown.answer
    title = recommender.checkpoint.metadata.model
    state = "promoted" if recommender.promoted else "not promoted"
    about = paragraph(
        "answered by ", element("code", shown.model.name, title=recommender.checkpoint.sha256), f", {state}"
    )
    if isinstance(answer, AdrecError):
        return element("section", element("h2", title), about, paragraph(f"No list: {answer.message}."))
    notes = []
    if answer.source == _POPULAR:
        notes.append(paragraph("Nothing is known of this history, so these are the most popular items."))
    if answer.unknown_items:
        notes.append(paragraph(f"Unknown items were left out: {', '.join(answer.unknown_items)}."))
    reasons = {one.item_id: one for one in answer.explanations or ()}
    rows = [_item(item, both, reasons.get(str(item["item_id"])), titles) for item in answer.items]
    shared = paragraph(f"{len(both)} of them are in both lists.") if both is not None else None
    return element(
        "section", element("h2", title), about, *notes, shared, element("ol", *rows, class_="recommended")
    )  # fmt: skip


def _item(
    item: Mapping[str, str | int | float | None],
    both: set[str] | None,
    reason: Explanation | None,
    titles: Mapping[str, str | None],
) -> Html:
    item_id, title = str(item["item_id"]), item["title"]
    one = FoundItem(item_id=item_id, title=None if title is None else str(title))
    score = element("span", f"{item['score']:.4f}", class_="score", title="score of the model")
    alone = element("span", "only here", class_="alone") if both is not None and item_id not in both else None
    return element("li", element("span", _show_name(one), class_="item"), " ", score, alone, _reason(reason, titles))


def _reason(reason: Explanation | None, titles: Mapping[str, str | None]) -> Html | None:
    if reason is None:
        return None
    lines = []
    for one in reason.influences:
        shared = f", both {', '.join(one.shared)}" if one.shared else ""
        lines.append(element("li", f"{one.influence:+.4f} by {one.title or one.item_id}{shared}"))
    near = ", ".join(titles.get(other) or other for other in reason.nearest)
    return element(
        "details",
        element("summary", "what moved its score"),
        element("ul", *lines) if lines else None,
        paragraph(f"Most like it in the catalogue: {near}.") if near else None,
    )


def _show_name(one: FoundItem) -> Html:
    return join([one.name, " ", element("code", one.item_id)] if one.title else [one.name])


def _field(
    label: str, name: str, value: str, *, kind: str = "text", note: str = "", least: int | None = None,
    most: int | None = None,
) -> Html:  # fmt: skip
    hint = element("span", note, id=f"{name}-note", class_="note") if note else None
    return element(
        "div",
        element("label", label, **{"for": f"{name}-field"}),
        element(
            "input", type=kind, id=f"{name}-field", name=name, value=value, autocomplete="off", min=least, max=most,
            aria_describedby=f"{name}-note" if note else None,
        ),
        hint,
        class_="field",
    )  # fmt: skip
