"""Preprocessing in plain Python, one step after the other, as its documentation says; slow."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

Event = tuple[str, str, int]
MISSING = {"", "nan", "NaN", "NAN", "null", "NULL", "Null", "None", "<NA>", "NaT", "\\N"}


def normal_id(text: str) -> str | None:
    """Return an id without blanks around it and without a fraction of zeros, None where there is none."""
    text = text.strip()
    if text in MISSING:
        return None
    listed = text.startswith("[") and text.endswith("]") and len(text) > 1
    inner = text[1:-1].strip() if listed else ""
    if listed and (not inner or "," in text or inner[0] in "'\"" or re.match(r"-?[^\W\D_]", inner)):
        return None
    if re.fullmatch(r"\{\s*(['\"].*:.*)?\}", text, re.DOTALL) or re.fullmatch(r"-?\d[.,]\d+[eE]\+?\d+", text):
        return None
    whole = re.fullmatch(r"(-?\d+)\.0+", text)
    return whole[1] if whole else text


Rated = tuple[str, str, int, int]
History = tuple[list[tuple[str, int]], int, int]
"""A user's items with their times, train_end and valid_end."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is left out and how the rest is split."""

    min_rating: int | None = None
    duplicates: str = "drop"
    ties: str = "source"
    min_user: int = 0
    min_item: int = 0
    max_length: int = 0
    moments: tuple[int, int] | None = None
    """Where validation and test begin."""
    hours_before: tuple[int, int] | None = None
    """The same, so long before the newest event; this comes first. None and None leave one out."""
    unwanted: str | None = None
    """An item whose events are not wanted."""


def make_histories(events: list[Rated], rules: Rules) -> dict[str, History]:
    """Return each user's history; the rules one after the other, each as its definition says."""
    read = pick_wanted(events, rules)
    keys = id_key({item for _, item, _ in read})
    ordered = sorted(read, key=lambda event: (event[2], keys[event[1]] if rules.ties == "item" else (0, "")))
    if rules.duplicates == "drop":
        ordered = list(dict.fromkeys(ordered))
    kept = leave_the_core(ordered, rules.min_user, rules.min_item)
    histories: dict[str, list[tuple[str, int]]] = {}
    for user, item, time in kept:
        histories.setdefault(user, []).append((item, time))
    histories = {user: history[-rules.max_length :] for user, history in histories.items()}
    moments = rules.moments
    if rules.hours_before is not None and histories:
        newest = max(time for history in histories.values() for _, time in history)
        moments = (newest - 3600 * rules.hours_before[0], newest - 3600 * rules.hours_before[1])
    return {user: split(history, moments) for user, history in histories.items()}


def pick_wanted(events: list[Rated], rules: Rules) -> list[Event]:
    """Return the events that are rated well enough and of no unwanted item."""
    return [
        (user, item, time)
        for user, item, time, rating in events
        if item != rules.unwanted and (rules.min_rating is None or rating >= rules.min_rating)
    ]


def leave_the_core(events: list[Event], min_user: int, min_item: int) -> list[Event]:
    """Take away users and items with too few events until there are none."""
    while True:
        users, items = Counter(event[0] for event in events), Counter(event[1] for event in events)
        kept = [event for event in events if users[event[0]] >= min_user and items[event[1]] >= min_item]
        if len(kept) == len(events):
            return kept
        events = kept


def split(history: list[tuple[str, int]], moments: tuple[int, int] | None) -> History:
    """Hold out the last two events of three or more, or what comes after two moments."""
    if moments is None:
        held_out = len(history) >= 3
        return history, len(history) - 2 * held_out, len(history) - held_out
    train_end, valid_end = (sum(time < moment for _, time in history) for moment in moments)
    return history, train_end, valid_end


def id_key(ids: set[str]) -> dict[str, tuple[int, str]]:
    """Return a sort key for each id: as a number if all are whole numbers, else by code point."""
    numbers = all(re.fullmatch(r"[+-]?[0-9]+", text) for text in ids)
    return {text: (int(text) if numbers else 0, text) for text in ids}


def preprocess(
    events: list[Event], *, ties: str, min_user: int, min_item: int, max_length: int
) -> tuple[dict[str, list[str]], list[str]]:
    """Return each user's items in order, users ascending, and all items ascending; rows without an id are left out."""
    normal = [(normal_id(user), normal_id(item), time) for user, item, time in events]
    events = [(user, item, time) for user, item, time in normal if user is not None and item is not None]
    keys = id_key({item for _, item, _ in events})
    by_item = (lambda event: keys[event[1]]) if ties == "item" else (lambda event: (0, ""))
    ordered = sorted(events, key=lambda event: (event[0], event[2], by_item(event)))
    ordered = list(dict.fromkeys(ordered))
    ordered = leave_the_core(ordered, min_user, min_item)
    histories: dict[str, list[str]] = {}
    for user, item, _ in ordered:
        histories.setdefault(user, []).append(item)
    histories = {user: items[-max_length:] if max_length else items for user, items in histories.items()}
    user_keys = id_key({user for user, _, _ in events})
    users_in_order = sorted(histories, key=lambda user: user_keys[user])
    items_in_order = sorted({item for items in histories.values() for item in items}, key=lambda item: keys[item])
    return {user: histories[user] for user in users_in_order}, items_in_order
