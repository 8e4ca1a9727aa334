"""Arrays of objects and objects over several lines are read as one object per line; other documents are refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.reading import json_documents
from adrec_cli.data.reading.decoding import Decoded
from adrec_cli.data.reading.json_documents import as_object_lines
from adrec_cli.errors import InputError
from tests.data.table_files import START, read_sequences, run

EVENTS = [
    {"user_id": user, "item_id": item, "timestamp": START + place, "where": {"page": "a, b]"}}
    for place, (user, item) in enumerate([("anna", "a"), ("ben", "b"), ("anna", "c")])
]
EXPECTED = {"anna": ["a", "c"], "ben": ["b"]}


def decoded(path: Path) -> Decoded:
    return Decoded(path=path, plain=path, container="text", compression="", encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(EVENTS),
        json.dumps(EVENTS, indent=2) + "\n",
        json.dumps(EVENTS, indent=2).replace("\n", "\r\n"),
        "\n\n [" + ",\n".join(map(json.dumps, EVENTS)) + "\n]\n\n",
        "\n".join(json.dumps(event, indent=4) for event in EVENTS),
        "\n".join(map(json.dumps, EVENTS)),
    ],
)
def test_events_as_objects_however_they_are_laid_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "events.json").write_bytes(text.encode())
    assert read_sequences(run(tmp_path / "events.json", tmp_path / "ws").folder) == EXPECTED


def test_what_lies_in_objects_of_an_array_is_found(tmp_path: Path) -> None:
    users = [
        {"user_id": "anna", "seen": [{"place": "x"}, {"place": "y"}]},
        {"user_id": "ben", "seen": [{"place": "y"}]},
    ]
    (tmp_path / "users.json").write_text(json.dumps(users, indent=1))
    made = run(tmp_path / "users.json", tmp_path / "ws", item_column="seen.place")
    assert read_sequences(made.folder) == {"anna": ["x", "y"], "ben": ["y"]}


def test_a_bad_row_is_told_by_the_line_its_object_begins_in(tmp_path: Path) -> None:
    events = [*EVENTS, {**EVENTS[0], "item_id": None}]
    text = json.dumps(events, indent=2)
    (tmp_path / "events.json").write_text(text)
    line = 1 + text[: text.rindex('  {\n    "user_id"')].count("\n")
    with pytest.raises(InputError, match=f"line {line}, column 'item_id': expected the id of an item"):
        run(tmp_path / "events.json", tmp_path / "ws")


def test_one_object_is_refused_with_the_place_of_its_events(tmp_path: Path) -> None:
    (tmp_path / "day one.json").write_text(json.dumps({"day": 1, "log": {"the events": EVENTS}}, indent=2))
    with pytest.raises(InputError, match="is one JSON object") as caught:
        run(tmp_path / "day one.json", tmp_path / "ws")
    command = str(caught.value.hint).split(": ", 1)[1]
    assert shlex.split(command)[:4] == ["jq", "-c", '.log["the events"][]', str(tmp_path / "day one.json")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(EVENTS, indent=2)[:-1], "ends within its JSON array"),
        (json.dumps(EVENTS, indent=2)[:-20], "expected a JSON object"),
        (json.dumps(EVENTS) + "\n" + json.dumps(EVENTS), "expected the end after a JSON array"),
        (json.dumps(EVENTS, indent=2).replace('"ben"', "ben"), "line 11: expected a JSON object, got 'ben,'"),
    ],
)
def test_arrays_that_are_cut_off_damaged_or_two_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "events.json").write_text(text)
    with pytest.raises(InputError, match=message):
        run(tmp_path / "events.json", tmp_path / "ws")


@pytest.mark.parametrize("text", ['[{"a":1}],u1,3\n[{"a":2}],u2,4\n', '{"a": 1}\n{"a": 2}\n', "{'a': 1}\n", '{"a": \n'])
def test_other_files_are_left_as_they_are(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.txt").write_text(text)
    assert as_object_lines(decoded(tmp_path / "other.txt"), tmp_path) == decoded(tmp_path / "other.txt")


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
objects = st.lists(st.dictionaries(st.text(), values, min_size=1, max_size=4), min_size=2, max_size=8)


@settings(deadline=None)
@given(events=objects, indent=st.sampled_from([None, 0, 2]), in_array=st.booleans(), chunk=st.integers(1, 40))
def test_every_object_comes_out_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[dict[str, Any]],
    indent: int | None,
    in_array: bool,
    chunk: int,
) -> None:
    folder = tmp_path_factory.mktemp("objects")
    if in_array:
        text = json.dumps(events, indent=indent, ensure_ascii=False)
    else:
        text = "\n".join(json.dumps(event, indent=2, ensure_ascii=False) for event in events)
    (folder / "events.json").write_bytes(text.encode("utf-8", errors="replace"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_documents, "_CHUNK", chunk)
        plain = as_object_lines(decoded(folder / "events.json"), folder).plain
    lines = [line for line in plain.read_text(encoding="utf-8").split("\n") if line.strip()]
    expected = json.loads(json.dumps(events, ensure_ascii=False).encode("utf-8", errors="replace"))
    assert [json.loads(line) for line in lines] == expected
