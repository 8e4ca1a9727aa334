"""Preprocessing in plain Python, one step after the other, as its documentation says; slow."""

from __future__ import annotations

import re
from collections import Counter

Event = tuple[str, str, int]


def id_key(ids: set[str]) -> dict[str, tuple[int, str]]:
    """Return a sort key for each id: as a number if all are whole numbers, else by code point."""
    numbers = all(re.fullmatch(r"[+-]?[0-9]+", text) for text in ids)
    return {text: (int(text) if numbers else 0, text) for text in ids}


def preprocess(
    events: list[Event], *, ties: str, min_user: int, min_item: int, max_length: int
) -> tuple[dict[str, list[str]], list[str]]:
    """Return each user's items in order, users ascending, and all items ascending."""
    keys = id_key({item for _, item, _ in events})
    by_item = (lambda event: keys[event[1]]) if ties == "item" else (lambda event: (0, ""))
    ordered = sorted(events, key=lambda event: (event[0], event[2], by_item(event)))
    ordered = list(dict.fromkeys(ordered))
    while True:
        users, items = Counter(event[0] for event in ordered), Counter(event[1] for event in ordered)
        kept = [event for event in ordered if users[event[0]] >= min_user and items[event[1]] >= min_item]
        if len(kept) == len(ordered):
            break
        ordered = kept
    histories: dict[str, list[str]] = {}
    for user, item, _ in ordered:
        histories.setdefault(user, []).append(item)
    histories = {user: items[-max_length:] if max_length else items for user, items in histories.items()}
    user_keys = id_key({user for user, _, _ in events})
    users_in_order = sorted(histories, key=lambda user: user_keys[user])
    items_in_order = sorted({item for items in histories.values() for item in items}, key=lambda item: keys[item])
    return {user: histories[user] for user in users_in_order}, items_in_order
