"""The page that tells what the last nights were like, from what runs noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adrec_cli.artifacts.nights import PROMOTED, Drift, Night
from adrec_cli.artifacts.promotion import Current
from adrec_cli.pages.markup import Content, Html, element, facts, join, paragraph, section, sha, table
from adrec_cli.wording import command_anywhere, say_count

SHOWN_AT_MOST = 60
_WIDTH, _HEIGHT, _MARGIN = 600, 120, 8


def show_nights(model: str, nights: Sequence[Night], current: Current | None, dataset: str) -> list[Html]:
    """Return the parts of the page about one model.

    Args:
        model: its name.
        nights: oldest first.
        current: what is promoted.
        dataset: its name.
    """
    parts = [section("promoted", f"{model}: what is promoted", *_show_current(current, dataset))]
    if not nights:
        line = join(["Nothing is noted yet: ", element("code", command_anywhere("run", dataset)), " notes each night."])
        return [*parts, section("nights", "Nights", paragraph(line))]
    newest = list(reversed(nights))[:SHOWN_AT_MOST]
    columns = ["night", "outcome", "users", "items", "interactions", "validation", "NDCG@10", "HR@10"]
    rows = [_row(night) for night in newest]
    last = nights[-1]
    caption = f"{last.monitor.upper()} on {last.protocol}; the others on {last.test_protocol}, 95% intervals"
    return [
        *parts,
        section("validation", "Validation", _draw([night.value for night in reversed(newest)])),
        section("nights", "Nights", table(columns, rows, right=columns[2:], caption=caption)),
        section("rules", "What the rules found", _show_rules(newest)),
        section("drift", "What has drifted", _show_drift(newest)),
    ]


def _show_current(current: Current | None, dataset: str) -> list[Content]:
    if current is None:
        again = element("code", command_anywhere("run", dataset))
        return [paragraph("Nothing: ", again, " promotes what is good enough.")]
    value = "not measured" if current.value is None else f"{current.value:.4f}"
    about = facts(
        [
            ("promoted at", _show_time(current.promoted_at)),
            ("model", sha(current.sha256)),
            (f"{current.metric.upper()}, {current.protocol}", value),
        ]
    )
    if not current.earlier:
        return [about]
    rows: list[list[Content]] = [
        [_show_time(one.promoted_at), sha(one.sha256), "" if one.value is None else f"{one.value:.4f}"]
        for one in current.earlier
    ]
    caption = "Earlier models to go back to"
    metric = current.metric.upper()
    return [about, table(["promoted at", "model", metric], rows, right=[metric], caption=caption)]


def _row(night: Night) -> list[Content]:
    good = night.outcome == PROMOTED
    outcome = element("span", night.outcome, class_="good" if good else "bad")
    counts = [f"{count:,}" for count in (night.users, night.items, night.interactions)]
    value = "" if night.value is None else f"{night.value:.4f}"
    return [
        _show_time(night.noted_at),
        outcome,
        *counts,
        value,
        *(_figure(night.metrics.get(name)) for name in ("ndcg@10", "hr@10")),
    ]


def _show_time(at: str) -> str:
    """Return a moment of ISO 8601, UTC, to the minute."""
    return at[:16].replace("T", " ")


def _figure(found: Sequence[float] | None) -> Content:
    if found is None:
        return ""
    value, low, high = found
    return join([f"{value:.4f} ", element("span", f"[{low:.4f}, {high:.4f}]", class_="interval")])


def _show_rules(nights: Sequence[Night]) -> Html:
    rows = [
        [_show_time(night.noted_at), str(rule.get("rule", "")), str(rule.get("against", "")), *_rule_figures(rule)]
        for night in nights
        for rule in night.rules
    ]
    if not rows:
        return paragraph("No rule has judged a model yet: the first one has none to be held against.")
    columns = ["night", "rule", "held against", "new", "other", "difference"]
    return table(columns, rows, right=columns[3:])


def _rule_figures(rule: Mapping[str, Any]) -> list[Content]:
    numbers = [rule.get(name) for name in ("candidate", "current", "difference", "low", "high")]
    if not all(isinstance(number, (int, float)) for number in numbers):
        return ["", "", ""]
    new, other, difference, low, high = (float(number or 0) for number in numbers)
    interval = element("span", f"[{low:+.4f}, {high:+.4f}]", class_="interval")
    return [f"{new:.4f}", f"{other:.4f}", join([f"{difference:+.4f} ", interval])]


def _show_drift(nights: Sequence[Night]) -> Html:
    rows = [[_show_time(night.noted_at), *_drift_figures(night.drift)] for night in nights if night.drift is not None]
    if not rows:
        return paragraph("The first night has nothing to be held against.")
    columns = ["night", "new users", "new items", "popularity", "by chance", "validation"]
    caption = (
        "Popularity: Jensen-Shannon divergence of the new events from those before, in bits, beside what as many "
        "events have by chance. Validation: against the mean of the ten nights before."
    )
    return table(columns, rows, right=columns[1:], caption=caption)


def _drift_figures(drift: Drift) -> list[str]:
    shift = ["", ""]
    if drift.popularity_shift is not None and drift.expected_shift is not None:
        shift = [f"{drift.popularity_shift:.3f}", f"{drift.expected_shift:.3f}"]
    change = "" if drift.metric_change is None else f"{drift.metric_change:+.1%}"
    return [f"{drift.new_users:.1%}", f"{drift.new_items:.1%}", *shift, change]


def _draw(values: Sequence[float | None]) -> Html:
    """Return a line of the values, oldest left; the table has the figures."""
    there = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(there) < 2:
        return paragraph("A line is drawn from the second night on.")
    low, high = min(value for _, value in there), max(value for _, value in there)
    width, height = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    points = " ".join(
        f"{_MARGIN + width * place / (len(values) - 1):.1f},"
        f"{_MARGIN + height * (1 - (value - low) / ((high - low) or 1)):.1f}"
        for place, value in there
    )
    label = f"Validation of the last {say_count(len(there), 'night')}, from {low:.4f} to {high:.4f}"
    line = element("polyline", points=points, class_="line-of-nights")
    drawn = element("svg", line, view_box=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=label, class_="histogram")
    return element("figure", drawn, element("figcaption", f"{label}, oldest left"))
