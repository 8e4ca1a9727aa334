"""Bad sources: one line that says what, where, expected, got, and what to do; nothing half-written."""

from __future__ import annotations

import gzip
import os
import shlex
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from adrec_cli.errors import ExitCode, InputError, NoRowsError
from adrec_cli.pipeline.preprocess import PreprocessOptions, PreprocessResult, preprocess
from tests.data.table_files import START, history, read_sequences, write_csv

pytestmark = pytest.mark.usefixtures("in_shell")

HEADER = "user_id,item_id,timestamp\n"
GOOD = [("u", f"i{n}", START + n) for n in range(6)]


def run(source: object, workspace: Path, **options: object) -> PreprocessResult:
    return preprocess(str(source), workspace=workspace, options=PreprocessOptions(**options))  # type: ignore[arg-type]


def refused(source: object, workspace: Path, **options: object) -> str:
    """Return the line a bad source is refused with, after checking what every refusal must hold."""
    with pytest.raises(InputError) as caught:
        run(source, workspace, **options)
    assert caught.value.exit_code == ExitCode.INPUT
    assert caught.value.hint
    assert "\n" not in caught.value.message
    left = [path for path in workspace.rglob("*") if path.is_file()] if workspace.exists() else []
    assert left == []
    return caught.value.message


def text_file(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("form", ["empty", "blank", "header", "csv.gz", "empty.gz", "jsonl", "parquet", "arrow"])
def test_a_source_without_a_row_is_told_from_a_bad_one(tmp_path: Path, form: str) -> None:
    """An inbox waits for the rows of such a file."""
    path = tmp_path / f"t.{form}"
    nothing = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64})
    if form == "parquet":
        nothing.write_parquet(path)
    elif form == "arrow":
        nothing.write_ipc(path)
    else:
        text = {"header": HEADER, "csv.gz": HEADER, "blank": "\n\n", "jsonl": "\n"}.get(form, "").encode()
        path.write_bytes(gzip.compress(text) if form.endswith("gz") else text)
    with pytest.raises(NoRowsError, match=r"is empty|no rows"):
        run(path, tmp_path / "ws")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("\n\n", "has no rows"),
        (HEADER, "has a header and no rows"),
        ("nothing here\n", "no separator found"),
        ("[1, 2]\n", "one JSON array"),
        ("{broken\n", "expected a JSON object a line"),
        ("who,what,timestamp\nu,a,1400000000\n", "known to be the user or the item; its columns: who ('u'), what"),
        (HEADER + "u,a,1400000000\nu,b,oops\n", "line 3, column 'timestamp': expected a number, got 'oops'"),
        (HEADER + "u,a,1400000000\nu,b,nan\n", "line 3, column 'timestamp': expected a number, got 'nan'"),
        (HEADER + "u,a,1400000000\n,b,1400000000\n", "line 3, column 'user_id': expected the id of a user, got ''"),
        (HEADER + 'u,a,1400000000\nu,"",1400000000\n', "line 3, column 'item_id': expected the id of an item, got ''"),
        (HEADER + "u,a,1400000000\nu,b\n", "line 3, column 'timestamp': expected a number, got ''"),
        (HEADER + "u,a,1400000000\nu,b,1400000000,x\n", "line 3: expected 3 fields, got '4 fields'"),
        (HEADER + 'u,a,1400000000\nu,"b,1400000000\n', "line 3: expected a whole record, got"),
        ("user_id,item_id,junk,timestamp\nu,a,x,1400000000\nu,b,,1400000000,y\n", "line 3: expected 4 fields, got '5"),
        ("u::a::5::1400000000\nu::b::5::1400000000::x\n", "line 2: expected 4 fields, got 'more'"),
        (HEADER + 'u,"a\nb",1400000000\n\nu,b,x\n', "line 5, column 'timestamp': expected a number, got 'x'"),
        (HEADER + "u,a,1400000000\nu,b,1400000000000\n", "expected a time like the others, times in"),
        (HEADER + "u,a,1400000000\nu,b,1400000001\nu,c,-5\n", "line 4, column 'timestamp': expected a time like"),
        (HEADER + "u,a,1400000000\nu,b,1400000001\nu,c,99999999999\n", "line 4, column 'timestamp': expected a time"),
        (HEADER + "u,a,1\nu,b,2\n", "fit no unit since 1973"),
        (HEADER + "u,a,2014-05-13\nu,b,2014-13-45\n", "line 3, column 'timestamp': expected a time like the others"),
        ("a::b::c::1400000000::x\n1::2::3::1400000000\n", "has no column that is known to be the user"),
        (b"\x80\x04\x95\x00\x00\x00pickle", "a pickle, of which adrec reads dicts and lists of numbers alone"),
        (b"\x01\x00\x00\x00what", "NUL bytes"),
        (b"PK\x03\x04rest", "is a zip archive"),
        (b"PAR1 not really", "is a damaged parquet file"),
        (b"ARROW1\0\0nope", "is a damaged arrow file"),
    ],
)
def test_bad_text_is_refused_with_its_place(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert said in refused(text_file(tmp_path, content), tmp_path / "ws")


def test_a_bad_json_line_is_named(tmp_path: Path) -> None:
    good = '{"user_id": "u", "item_id": "a", "timestamp": 1400000000}\n'
    source = text_file(tmp_path, good + "\n" + good + '{"user_id": "u", "item_id"\n', "t.jsonl")
    assert "line 4: expected a JSON object" in refused(source, tmp_path / "ws")
    missing = text_file(tmp_path, good + '{"user_id": "u", "timestamp": 1400000000}\n', "m.jsonl")
    assert "line 2, column 'item_id': expected the id of an item, got ''" in refused(missing, tmp_path / "ws")


def test_a_bad_row_of_parquet_is_counted(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": ["u", "u"], "item_id": [1, None], "timestamp": [START, START]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert "row 2, column 'item_id': expected the id of an item" in refused(tmp_path / "t.parquet", tmp_path / "ws")
    frame.with_columns(item_id=pl.lit([[1]])).write_parquet(tmp_path / "l.parquet")
    assert "an id column holds List" in refused(tmp_path / "l.parquet", tmp_path / "ws", item_column=2)


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_a_truncated_archive_is_refused(tmp_path: Path, kept: float, compression: str) -> None:
    plain = (HEADER + "".join(f"u{n % 97},i{n % 31},{START + n * 7919}\n" for n in range(5000))).encode()
    if compression == "gz":
        packed = gzip.compress(plain)
    else:
        with pa.BufferOutputStream() as sink:
            with pa.CompressedOutputStream(sink, "zstd") as stream:
                stream.write(plain)
            packed = sink.getvalue().to_pybytes()
    source = text_file(tmp_path, packed[: int(len(packed) * kept)], f"t.csv.{compression}")
    assert "damaged or truncated" in refused(source, tmp_path / "ws")


def hint_at(source: object, workspace: Path) -> str:
    with pytest.raises(InputError) as caught:
        run(source, workspace)
    return str(caught.value.hint)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("grocry", "grocery"), ("ML1M", "ml-1m"), ("monady.csv", "monday.csv"), ("in/tuseday.csv", "in/tuesday.csv")],
)
def test_a_source_of_nearly_this_name_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, meant: str
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("monday.csv", "in/tuesday.csv"):
        (tmp_path / name).write_text("user_id,item_id\nu,a\n")
    monkeypatch.chdir(tmp_path)
    assert hint_at(typed, tmp_path / "ws").startswith(f"did you mean {meant}? ")
    assert "did you mean" not in hint_at("something-else", tmp_path / "ws")


def test_the_files_of_a_partitioned_log_are_offered_and_their_folders_are_not_read_in_silence(tmp_path: Path) -> None:
    for day in ("day=1", "day=2"):
        (tmp_path / "log" / day).mkdir(parents=True)
        (tmp_path / "log" / day / "_SUCCESS").write_text("")
        write_csv(tmp_path / "log" / day / "part.csv", [("u", day[-1], START)])
    (tmp_path / "log" / "rest").mkdir()
    pattern = hint_at(tmp_path / "log", tmp_path / "ws").split("in quotes: ")[1]
    made = run(shlex.split(pattern)[0], tmp_path / "ws", name="log", min_interactions=0)
    assert read_sequences(made.folder) == {"u": ["1", "2"]}
    assert "not read, as only names of folders hold it: day" in made.notes
    alone = run(tmp_path / "log/day=1/part.csv", tmp_path / "ws", min_interactions=0)
    assert not any("folders" in note for note in alone.notes)


def test_places_that_cannot_be_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "is a folder without files" in refused(empty, tmp_path / "ws")
    assert "matches no file" in refused(tmp_path / "*.nothing", tmp_path / "ws")
    assert "neither a named data set nor a file" in refused(tmp_path / "gone.csv", tmp_path / "ws")
    with pytest.raises(InputError, match="not a folder"):
        preprocess("grocery", workspace=tmp_path / "ws", raw=tmp_path / "gone")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", GOOD)
    source.chmod(0)
    assert "permission denied" in refused(source, tmp_path / "ws")


def test_permission_denied_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    source = write_csv(tmp_path / "t.csv", GOOD)
    real = builtins.open

    def deny(file: object, *arguments: object, **options: object) -> object:
        if str(file) == str(source):
            raise PermissionError(13, "Permission denied")
        return real(file, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(builtins, "open", deny)
    assert "permission denied" in refused(source, tmp_path / "ws")


def test_a_column_cannot_have_two_roles(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", GOOD)
    assert "two roles" in refused(source, tmp_path / "ws", user_column=1, item_column="user_id")
    assert "has no column 'nobody' for the user" in refused(source, tmp_path / "ws", user_column="nobody")
    assert "has no column 9 for the item" in refused(source, tmp_path / "ws", item_column=9)
    assert "known to be the rating" in refused(source, tmp_path / "ws", min_rating=3)
    with pytest.raises(InputError) as caught:
        run(source, tmp_path / "ws", min_rating=3)
    assert caught.value.hint == "leave out --min-rating"


def test_a_rating_that_is_no_number(tmp_path: Path) -> None:
    rows = [("u", "a", "5", START), ("u", "b", "good", START), ("u", "c", "nan", START)]
    source = write_csv(tmp_path / "t.csv", rows, "user_id,item_id,rating,timestamp")
    assert "line 3, column 'rating': expected a number, got 'good' (2 such" in refused(
        source, tmp_path / "ws", min_rating=4
    )
    assert len(read_sequences(run(source, tmp_path / "ws").folder)["u"]) == 3


# ---- leaving bad rows out


def test_bad_rows_can_be_left_out_and_are_counted(tmp_path: Path) -> None:
    lines = [
        "user_id,item_id,timestamp",
        "u,a,1400000000",
        "u,b,soon",
        ",c,1400000001",
        "u,d,1400000002,extra",
        "u,e,1400000003000",
        "",
        'u,"f,1400000004',
    ]
    source = text_file(tmp_path, "\n".join(lines) + "\n")
    result = run(source, tmp_path / "ws", on_bad_row="skip")
    assert read_sequences(result.folder) == {"u": ["a"]}
    assert result.warnings[0] == "5 bad rows were left out of 6"
    said = "\n".join(result.warnings)
    for place in (
        "line 3, column 'timestamp'",
        "line 4, column 'user_id'",
        "line 5: expected 3",
        "line 6, column",
        "line 8:",
    ):
        assert place in said
    assert result.removed[0].name == "bad_rows"
    assert result.removed[0].interactions == 5
    assert result.manifest.parameters["found"]["bad_rows"] == 5


def test_bad_json_lines_can_be_left_out(tmp_path: Path) -> None:
    good = '{"user_id": "u", "item_id": "a", "timestamp": 1400000000}\n'
    source = text_file(tmp_path, good + "nonsense\n[1]\n" + good.replace("00}", "01}") + '{"user_id": 1', "t.jsonl")
    result = run(source, tmp_path / "ws", on_bad_row="skip")
    assert read_sequences(result.folder) == {"u": ["a", "a"]}
    assert result.warnings[0] == "3 bad rows were left out of 5"


def test_all_rows_bad_is_still_an_error(tmp_path: Path) -> None:
    source = text_file(tmp_path, HEADER + "u,a,x\nu,b,y\n")
    assert "nothing is left of 2 interactions: bad_rows removed 2" in refused(
        source, tmp_path / "ws", on_bad_row="skip"
    )


def test_the_hint_where_nothing_is_left_is_about_what_left_it_out(tmp_path: Path) -> None:
    bad = text_file(tmp_path, HEADER + "u,a,x\nu,b,y\n")
    with pytest.raises(InputError) as caught:
        run(bad, tmp_path / "ws", on_bad_row="skip", min_interactions=1)
    assert "--on-bad-row error" in caught.value.hint
    with pytest.raises(InputError) as caught:
        run(write_csv(tmp_path / "g.csv", GOOD), tmp_path / "ws", min_interactions=9)
    assert "lower the filters: --min-user-interactions 9, --min-item-interactions 9" in caught.value.hint


def test_only_five_examples_are_shown(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", [*GOOD, *(("u", "x", "bad") for _ in range(50))])
    result = run(source, tmp_path / "ws", on_bad_row="skip")
    assert len(result.warnings) == 6


# ---- unusual, but right


def test_one_user_with_one_event_is_training_only(tmp_path: Path) -> None:
    folder = run(write_csv(tmp_path / "t.csv", GOOD[:1]), tmp_path / "ws").folder
    assert read_sequences(folder) == {"u": ["i0"]}


def test_quotes_in_the_middle_of_a_field_are_text(tmp_path: Path) -> None:
    source = text_file(tmp_path, HEADER + 'u,5" nail,1400000000\nu,b,1400000001\n')
    assert read_sequences(run(source, tmp_path / "ws").folder) == {"u": ['5" nail', "b"]}


def test_whole_and_fractional_times_may_be_mixed_late_in_a_file(tmp_path: Path) -> None:
    rows = [*history("u", [f"i{n}" for n in range(500)]), ("u", "last", START + 99_999.5)]
    folder = run(write_csv(tmp_path / "t.csv", rows), tmp_path / "ws").folder
    assert read_sequences(folder)["u"][-1] == "last"
    times = pl.read_parquet(folder / "sequences.parquet")["timestamps"][0].to_list()
    assert times[-1] == (START + 99_999) * 10**6 + 500_000


@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_a_source_of_empty_lists(tmp_path, duplicates):
    path = tmp_path / "shop.csv"
    path.write_text("user_id,item_id,timestamp\nu,[],1500000000\nv,[],1500000060\n")
    with pytest.raises(InputError, match="all its lists are empty"):
        preprocess(str(path), workspace=tmp_path / "ws", options=PreprocessOptions(duplicates=duplicates))
    assert not (tmp_path / "ws" / "shop").exists()
