"""Markup: text is escaped, no attribute runs, tables can be read on a narrow screen."""

from __future__ import annotations

import re

import pytest

from adrec_cli.pages.markup import Html, element, join, table


def test_text_is_escaped_and_markup_is_not():
    assert element("p", "<b>", element("b", '"&'), title="a\"<'").text == (
        '<p title="a&quot;&lt;&#x27;">&lt;b&gt;<b>&quot;&amp;</b></p>'
    )
    assert join(["<", None, Html("<br>")], ", ").text == "&lt;, <br>"
    assert element("p", "a\x00\x1b\u202e\ud800\n").text == "<p>a\\u0000\\u001b\\u202e\\ud800\n</p>"


@pytest.mark.parametrize("attribute", ["onclick", "onload", 'x" y'])
def test_no_attribute_runs_anything(attribute):
    with pytest.raises(AssertionError):
        element("p", **{attribute: "alert(1)"})


def test_tables_tell_a_narrow_screen_the_columns():
    written = table(["a", "b<"], [["1", "2"]], right=["b<"], caption="c").text
    assert re.findall(r' data-name="([^"]*)"', written) == ["a", "b&lt;"]
    assert re.findall(r' scope="([^"]*)"', written) == ["col", "col"]
    with pytest.raises(ValueError, match="zip"):
        table(["a", "b"], [["1"]])


def test_a_table_is_called_by_its_caption_or_by_its_columns():
    for caption, label in (("c<", "c&lt;"), ("", "table of a, b")):
        written = table(["a", "b"], [], caption=caption).text
        assert re.findall(r' aria-label="([^"]*)"', written) == [label]
        assert ("<caption>" in written) == bool(caption)
