"""Lines before a table that are none of it: they are passed over, said, and numbers of lines stay right."""

from __future__ import annotations

import polars as pl
import pytest

from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from tests.tiers import sampled

ROWS = "ann{0}pen{0}1700000000\nann{0}ink{0}1700000001\nann{0}cup{0}1700000002\nbob{0}pen{0}1700000003\n"
HEADER = "user_id{0}item_id{0}timestamp\n"


def read(tmp_path, text, **options):
    (tmp_path / "shop.csv").write_text(text)
    made = preprocess(str(tmp_path / "shop.csv"), workspace=tmp_path / "ws", options=PreprocessOptions(**options))
    items = dict(pl.read_parquet(made.folder / "items.parquet").select("item_index", "item_id").rows())
    rows = pl.read_parquet(made.folder / "sequences.parquet").select("user_id", "items").rows()
    return {user: [items[index] for index in found] for user, found in rows}, made


EXPECTED = {"ann": ["pen", "ink", "cup"], "bob": ["pen"]}


@pytest.mark.parametrize("header", [HEADER, ""], ids=["header", "no header"])
@sampled("mark", {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}, quick=["semicolon", "tab"])
@pytest.mark.parametrize(
    "before",
    [
        "sep={0}\n",
        '"sep={0}"\n',
        "# exported on Monday\n",
        "# one, two; three\n#\n# four\n",
        "\n# a\n\n",
        "sep={0}\n# a\n",
    ],
)
def test_the_table_behind_is_read(tmp_path, before, mark, header):
    before = before.replace("sep={0}", "sep=\\t") if mark == "\t" else before
    found, made = read(tmp_path, (before + header + ROWS).format(mark))
    assert found == EXPECTED
    said = " ".join(made.notes)
    assert ("comments" in said) == ("#" in before)
    assert ("separates" in said) == ("sep=" in before)


def test_numbers_of_lines_stay_right(tmp_path):
    with pytest.raises(InputError, match=r"shop\.csv, line 5"):
        read(tmp_path, "# a\n# b\n" + (HEADER + "ann,pen,1700000000\nann,ink,never\n").format(","))


def test_a_hash_inside_the_table_is_an_id(tmp_path):
    found, made = read(
        tmp_path, HEADER.format(",") + "#ann,#pen,1700000000\n#ann,ink,1700000001\n#ann,cup,1700000002\n"
    )
    assert found == {"#ann": ["#pen", "ink", "cup"]}
    assert "comments" not in " ".join(made.notes)


def test_a_file_of_comments_alone_has_no_rows(tmp_path):
    with pytest.raises(InputError):
        read(tmp_path, "# nothing\n# at all\n")


@pytest.mark.parametrize("before", ["# exported on Monday\n", "sep=,\n"])
def test_a_separator_that_is_given_goes_before_what_is_said_or_found(tmp_path, before):
    text = before + "user_id|item_id|timestamp\n" + "ann|a,b,c,d|1700000000\nann|e,f,g,h|1700000001\n"
    found, _ = read(tmp_path, text, separator="|")
    assert found == {"ann": ["a,b,c,d", "e,f,g,h"]}
