"""Items that are posted: what a body may say, and what a server keeps of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.errors import InputError
from adrec_cli.serving import posted_items
from adrec_cli.serving.posted_items import PostedItems, parse_items


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_ids_become_text_and_the_rest_stays() -> None:
    body = b'{"items": [{"item_id": 7.0, "price": 3.5, "category": ["a", "b"], "title": null}, {"item_id": " x"}]}'
    assert parse_items(body) == [
        {"item_id": "7", "price": 3.5, "category": ["a", "b"], "title": None}, {"item_id": " x"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"items": []}', b'{"items": {}}', b'{"items": ["i1"]}', b'{"items": [{}]}',
        b'{"items": [{"item_id": null}]}', b'{"items": [{"item_id": ""}]}', b'{"items": [{"item_id": "  "}]}',
        b'{"items": [{"item_id": 1.5}]}', b'{"items": [{"item_id": true}]}', b'{"items": [{"item_id": ["a"]}]}',
        b'{"items": [{"item_id": "a", "x": {"y": 1}}]}', b'{"items": [{"item_id": "a", "x": true}]}',
        b'{"items": [{"item_id": "a", "x": NaN}]}', b'{"items": [{"item_id": "a", "x": [["y"]]}]}',
        b'{"items": [{"item_id": "\\ud800"}]}', b'{"items": [{"item_id": "a", "\\ud800": 1}]}',
        b'{"items": [{"item_id": "a"}], "more": 1}', b'{"item_id": "a"}', b"\xff",
        json.dumps({"items": [{"item_id": "a"} | {str(n): n for n in range(1_000)}]}).encode(),
    ],
    ids=range(23),
)  # fmt: skip
def test_what_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^\S.{0,100}$"):
        parse_items(body)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda more: st.lists(more)
                    | st.dictionaries(st.text(), more)))  # fmt: skip
def test_whatever_a_cell_is_it_is_written_or_refused_in_a_line(value: object) -> None:
    try:
        rows = parse_items(json.dumps({"items": [{"item_id": "a", "cell": value}]}).encode())
    except ValueError as error:
        assert "\n" not in str(error)
        return
    with PostedItems().adding(rows) as path:
        assert lines_of(path) == [{"item_id": "a", "cell": value}]


def test_what_is_said_last_counts_and_what_fails_is_forgotten() -> None:
    posted = PostedItems()
    assert posted.path is None
    with posted.adding([{"item_id": "a", "title": "A"}, {"item_id": "b"}]) as first:
        assert posted.path is None
    assert posted.path == first
    with posted.adding([{"item_id": "a", "title": "B"}, {"item_id": "c"}]) as second:
        expected = [{"item_id": "a", "title": "B"}, {"item_id": "b"}, {"item_id": "c"}]
        assert lines_of(second) == expected
    assert not first.exists()
    with pytest.raises(InputError, match=r"^what was posted has no table$"), posted.adding([{"item_id": "d"}]) as third:
        raise InputError(f"{third} has no table")
    assert posted.path == second
    assert not third.exists()
    with posted.adding([{"item_id": "e"}]) as fourth:
        assert lines_of(fourth) == [*expected, {"item_id": "e"}]


def test_a_server_does_not_take_any_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posted_items, "MOST_POSTED", 2)
    posted = PostedItems()
    with posted.adding([{"item_id": "a"}, {"item_id": "b"}]) as path:
        pass
    with posted.adding([{"item_id": "b"}]) as path:
        assert len(lines_of(path)) == 2
    with pytest.raises(InputError, match="3 items would be posted, at most 2"), posted.adding([{"item_id": "c"}]):
        pass
