"""What the data are: counts, how long histories and how popular items are, sources and how they were cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.data.named_datasets import find_named_source, load_dataset_spec
from adrec_cli.loading.opening import Dataset
from adrec_cli.pages.markup import Content, Html, element, facts, paragraph, section, sha, table
from adrec_cli.reporting.histogram import histogram
from adrec_cli.schema import CATEGORY, COUNT, ITEM_ID, TITLE
from adrec_cli.wording import say_count

_SHOWN_ITEMS = 10
_SHOWN_TITLE = 80
_UNKNOWN = "not known to adrec"


def data_section(dataset: Dataset) -> Html:
    """Return the section about a dataset."""
    counts = dataset.items[COUNT].to_numpy()
    lengths = dataset.sequences.lengths
    charts = element(
        "div",
        _chart("Users by length of history", histogram(lengths, title="Lengths of histories", axis="events of a user")),
        _chart("Items by popularity", histogram(counts, title="Popularity of items", axis="train events of an item")),
        class_="charts",
    )
    return section(
        "data",
        "Data",
        facts(_facts(dataset)),
        charts,
        paragraph(describe_concentration(counts)),
        element("h3", "Most popular items"),
        _popular(dataset),
        element("h3", "Where they come from"),
        facts(list(describe_source(dataset.manifest).items())),
        table(
            ["file", "size", "sha256"],
            [
                [str(one.get("name", "")), _size(one), sha(str(one.get("sha256", "")))]
                for one in dataset.manifest.sources
            ],
            right=["size"],
        ),
        element("details", element("summary", "How they were cut"), _parameters(dataset.manifest.parameters)),
    )


def _facts(dataset: Dataset) -> list[tuple[str, Content]]:
    found, sequences = dataset.manifest.statistics, dataset.sequences
    valid = int((sequences.valid_end - sequences.train_end).sum())
    test = int((sequences.lengths - sequences.valid_end).sum())
    return [
        ("users", f"{found['users']:,}"),
        ("items", f"{found['items']:,}"),
        ("interactions", f"{found['interactions']:,}"),
        ("average length", f"{found['average_length']:.2f}"),
        ("density", f"{found['density']:.3%}"),
        ("train / valid / test events", f"{int(sequences.train_end.sum()):,} / {valid:,} / {test:,}"),
        ("first event", str(found.get("first_time") or "")[:10]),
        ("last event", str(found.get("last_time") or "")[:10]),
    ]


def describe_source(manifest: Manifest) -> dict[str, str]:
    """Return what a data set is called, where it is from, and on what terms; nobody knows the terms of one's own."""
    source = find_named_source(manifest.dataset)
    if source is None:
        return {"data set": manifest.dataset, "licence": _UNKNOWN, "citation": _UNKNOWN}
    spec = load_dataset_spec(source)
    known = {"data set": spec.title, "homepage": spec.homepage, "licence": spec.licence, "citation": spec.citation}
    return {name: text for name, text in known.items() if text}


def _chart(caption: str, chart: Html) -> Html:
    return element("figure", element("figcaption", caption), chart)


def describe_concentration(counts: np.ndarray[Any, np.dtype[np.int64]]) -> str:
    """Return how much the most popular items have of all events, in a sentence."""
    ordered = np.sort(counts)[::-1]
    top = max(1, len(ordered) // 5)
    share = ordered[:top].sum() / max(1, ordered.sum())
    never = int((counts == 0).sum())
    told = f"The most popular fifth of the items has {share:.0%} of the train events."
    if not never:
        return told
    some = "One item has" if never == 1 else f"{say_count(never, 'item')} have"
    return f"{told} {some} none and cannot have been learned."


def _popular(dataset: Dataset) -> Html:
    items = dataset.items.sort([COUNT, ITEM_ID], descending=[True, False]).head(_SHOWN_ITEMS)
    known = [name for name in (TITLE, CATEGORY) if name in items.columns]
    rows = [
        [row[ITEM_ID], *(shorten(row[name]) for name in known), f"{row[COUNT]:,}"]
        for row in items.iter_rows(named=True)
    ]
    return table(["item", *known, "train events"], rows, right=["train events"])


def shorten(text: object) -> str:
    """Return a title as a page shows it; long ones are cut."""
    told = "" if text is None else str(text)
    return told if len(told) <= _SHOWN_TITLE else told[: _SHOWN_TITLE - 1].rstrip() + "…"


def _size(source: dict[str, Any]) -> str:
    size = source.get("bytes")
    if not isinstance(size, (int, float)):
        return ""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"


def _parameters(parameters: dict[str, Any]) -> Html:
    shown = [
        [name.replace("_", " "), str(value)]
        for name, value in parameters.items()
        if value is not None and not isinstance(value, dict)
    ]
    return table(["option", "value"], shown)
