"""Files of ids, histories and events: every form, and everything that is wrong with them."""

from __future__ import annotations

import json

import polars as pl
import pytest

from adrec_cli.data.audience_files import read_events, read_histories, read_ids
from adrec_cli.errors import InputError

ODD = ["007", "a,b", 'say "hi"', "zwölf\u2028", "line\nbreak", " space "]


def test_ids_stay_as_they_stand(tmp_path):
    pl.DataFrame({"user_id": ODD}).write_csv(tmp_path / "ids.csv")
    pl.DataFrame({"user_id": ODD}).write_parquet(tmp_path / "ids.parquet")
    (tmp_path / "ids.jsonl").write_text("\n".join(json.dumps({"user_id": user}) for user in ODD))
    for suffix in ("csv", "parquet", "jsonl"):
        assert read_ids(tmp_path / f"ids.{suffix}", "user_id").to_list() == ODD
    lines = [user for user in ODD if "\n" not in user]
    (tmp_path / "ids.txt").write_text("\r\n".join([*lines, "007", ""]), encoding="utf-8", newline="")
    assert read_ids(tmp_path / "ids.txt", "user_id").to_list() == lines


def test_whole_numbers_are_ids_too(tmp_path):
    pl.DataFrame({"user_id": [7, 42]}).write_parquet(tmp_path / "ids.parquet")
    (tmp_path / "ids.jsonl").write_text('{"user_id": 7}\n{"user_id": 42}')
    assert read_ids(tmp_path / "ids.parquet", "user_id").to_list() == ["7", "42"]
    assert read_ids(tmp_path / "ids.jsonl", "user_id").to_list() == ["7", "42"]


def test_histories_in_every_form(tmp_path):
    expected = [("u1", ["a", "b"]), ("u2", ["7"])]
    (tmp_path / "h.csv").write_text("user_id,item_id,timestamp\nu1,b,2014-05-02\nu2,7,2014-05-01\nu1,a,2014-05-01\n")
    (tmp_path / "h.jsonl").write_text('{"user_id": "u1", "history": ["a", "b"]}\n{"user_id": "u2", "history": [7]}\n')
    pl.DataFrame({"user_id": ["u1", "u2"], "history": [["a", "b"], ["7"]]}).write_parquet(tmp_path / "h.parquet")
    assert sorted(read_histories(tmp_path / "h.csv").rows()) == expected
    assert read_histories(tmp_path / "h.jsonl").rows() == expected
    assert read_histories(tmp_path / "h.parquet").rows() == expected
    (tmp_path / "e.jsonl").write_text('{"user_id": "u", "history": []}')
    assert read_histories(tmp_path / "e.jsonl").rows() == [("u", [])]
    pl.DataFrame({"user_id": ["u", "v"], "history": [None, ["a", None]]}).write_parquet(tmp_path / "n.parquet")
    assert read_histories(tmp_path / "n.parquet").rows() == [("u", []), ("v", ["a"])]


def test_events_are_put_in_order_of_their_times(tmp_path):
    pl.DataFrame({"user_id": ["u", "u", "u"], "item_id": [3, 1, 2], "timestamp": [30, 10, 10]}).write_parquet(
        tmp_path / "e.parquet"
    )
    assert read_events(tmp_path / "e.parquet")["item_id"].to_list() == ["1", "2", "3"]
    (tmp_path / "e.tsv").write_text("user_id\titem_id\nu\tb\nu\ta\n")
    assert read_events(tmp_path / "e.tsv")["item_id"].to_list() == ["b", "a"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("[1]", "an object is expected"),
        ('{"user_id": "u"}', "no 'history'"),
        ('{"user_id": "u", "history": "a,b"}', "not a list"),
        ('{"user_id": true, "history": []}', "not an id"),
        ('{"user_id": 1.5, "history": []}', "not an id"),
        ('{"user_id": "", "history": []}', "empty"),
        ('{"user_id": "u", "history": [null]}', "not an id"),
        ('{"user_id": "u", "history": [["a"]]}', "not an id"),
        ('{"user_id": "u", "history": [{"a": 1}]}', "not an id"),
        ("[" * 100_000, ":2"),
        ('{"user_id": "u", "history": [' + "9" * 5000 + "]}", ":2"),
        ("{", ":2"),
    ],
)
def test_hostile_json_is_refused_with_its_line(tmp_path, line, what):
    (tmp_path / "h.jsonl").write_text('{"user_id": "ok", "history": ["a"]}\n' + line + "\n")
    with pytest.raises(InputError, match=r"h\.jsonl:2: ") as refused:
        read_histories(tmp_path / "h.jsonl")
    assert what in refused.value.message


def test_half_a_surrogate_does_not_break_the_output(tmp_path):
    (tmp_path / "h.jsonl").write_text('{"user_id": "\\ud800", "history": []}\n')
    assert read_histories(tmp_path / "h.jsonl")["user_id"].to_list() == ["?"]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("missing.csv", None, "does not exist"),
        ("missing.txt", None, "does not exist"),
        ("empty.txt", b"\n \n", "no id"),
        ("empty.csv", b"", "cannot be read"),
        ("other.csv", b"user,item\n1,2\n", "no column user_id; it has: user, item"),
        ("hole.csv", b'user_id\nu1\n""\n', "row 2 has no user_id"),
        ("latin.txt", "fünf".encode("latin-1"), "not UTF-8 at byte 1"),
        ("broken.parquet", b"PAR1nonsense", "cannot be read"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, content, what):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_ids(tmp_path / name, "user_id")
    assert what in refused.value.message


def test_bad_histories_and_events(tmp_path):
    pl.DataFrame({"user_id": ["u", "u"], "history": [["a"], ["b"]]}).write_parquet(tmp_path / "twice.parquet")
    with pytest.raises(InputError, match="appears twice"):
        read_histories(tmp_path / "twice.parquet")
    pl.DataFrame({"user_id": ["u"], "history": [[["a"]]]}).write_parquet(tmp_path / "deep.parquet")
    with pytest.raises(InputError, match="list of ids"):
        read_histories(tmp_path / "deep.parquet")
    (tmp_path / "e.csv").write_text("user_id,item_id,timestamp\nu,a,10\nu,b,soon\n")
    with pytest.raises(InputError, match="event 2 is not a time"):
        read_events(tmp_path / "e.csv")
    pl.DataFrame({"user_id": ["u"], "item_id": [1.5]}).write_parquet(tmp_path / "float.parquet")
    with pytest.raises(InputError, match="expected text or whole numbers"):
        read_events(tmp_path / "float.parquet")
    (tmp_path / "e.xlsx").write_text("")
    with pytest.raises(InputError, match="does not say what it holds"):
        read_events(tmp_path / "e.xlsx")
