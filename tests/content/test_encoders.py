"""Encoders: what they make of any text, category and number, and of items that come later."""

from __future__ import annotations

import logging
import tracemalloc
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.content import given as given_vectors
from adrec_cli.content.categories import as_texts
from adrec_cli.content.choice import choose_encoders, parse_choice
from adrec_cli.content.encoders import ENCODERS, FittedEncoder, encode_items, fit_encoder, silent_items
from adrec_cli.content.numbers import as_numbers
from adrec_cli.content.texts import words_and_runs
from adrec_cli.errors import InputError, UsageError
from tests.examples import tries

pytest.importorskip("sklearn", reason="the extra text is not installed")
ITEMS = pl.DataFrame(
    {
        "item_index": [1, 2, 3, 4, 5, 6],
        "item_id": list("abcdef"),
        "count": [1, 2, 3, 4, 5, 6],
        "title": ["Grüner Tee aus Japan", "Japanischer grüner Tee", "東京の緑茶", "緑茶 京都", "Kaffee", None],
        "category": ["tea|green", "tea|Green ", "tea", "tea|green", "coffee", None],
        "brand": ["x", "y", "x", "x", "z", None],
        "price": ["$3.50", "1,299.00", "4", "€ 3", "n/a", None],
    }
)
NEEDED = {"tfidf": "sklearn", "wordllama": "wordllama"}
COLUMNS = {"tfidf": "title", "wordllama": "title", "categories": "category", "numbers": "price"}
quickly = settings(max_examples=tries(25), deadline=None)
anything = st.text(max_size=12) | st.none()


def fitted(name: str, **more: Any) -> FittedEncoder:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name], reason="the extra text is not installed")
    return fit_encoder(name, [COLUMNS[name]], ITEMS, **more)


@pytest.mark.parametrize("name", COLUMNS)
def test_vectors_have_length_one_and_nothing_known_gives_zeros(name: str) -> None:
    encoder = fitted(name)
    vectors = encoder.encode(ITEMS)
    assert vectors.shape == (6, encoder.width)
    lengths = np.linalg.norm(vectors, axis=1)
    silent = 2 if name == "numbers" else 1
    assert np.allclose(lengths[: 6 - silent], 1, atol=1e-5)
    assert not vectors[6 - silent :].any()
    assert silent_items([encoder], encode_items([encoder], ITEMS)) == [silent]


@pytest.mark.parametrize("name", COLUMNS)
def test_the_same_items_give_the_same_bytes_and_later_items_lie_in_the_same_space(name: str) -> None:
    first, again = fitted(name), fitted(name)
    assert {key: value.tobytes() for key, value in first.state.items()} == {
        key: value.tobytes() for key, value in again.state.items()
    }
    # One item after the other, and in another order, as later items come.
    together = first.encode(ITEMS)
    for row in (5, 0, 3):
        assert np.allclose(first.encode(ITEMS[row]), together[row : row + 1], atol=1e-6)


@pytest.mark.parametrize("name", ["tfidf", "wordllama", "categories"])
def test_what_is_alike_lies_closer(name: str) -> None:
    vectors = fitted(name).encode(ITEMS)
    alike, other = vectors[0] @ vectors[1], vectors[0] @ vectors[4]
    assert alike > other + 0.1


def test_scripts_without_blanks_have_words_too() -> None:
    vectors = fitted("tfidf").encode(ITEMS)
    assert vectors[2] @ vectors[3] > vectors[2] @ vectors[4] + 0.1
    assert "wहिन्दी" in words_and_runs("हिन्दी!"), "marks belong to their words"
    assert words_and_runs("ＴＥＡ") == words_and_runs("tea"), "full width letters are letters"
    assert words_and_runs("Straße") == words_and_runs("STRASSE")
    runs = ["c a", "cab", "cbc", "cc ", "c ab", "cabc", "cbc ", "c abc", "cabc "]
    assert words_and_runs("Abc x") == ["wabc", "wx", *runs, "c x", "cx ", "c x "]


@pytest.mark.parametrize("name", COLUMNS)
def test_parts_of_a_catalogue_are_encoded_as_all_of_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = fitted(name)
    together = encode_items([encoder], ITEMS)
    for count in (1, 4, 6, 7):
        monkeypatch.setattr("adrec_cli.content.encoders._ITEMS_AT_ONCE", count)
        assert np.allclose(encode_items([encoder], ITEMS), together, atol=1e-3)


def test_a_large_catalogue_is_not_held_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    made = np.random.default_rng(0).standard_normal((10_000, 64)).astype(np.float32)
    items = pl.DataFrame({"item_id": [str(row) for row in range(len(made))]}).with_columns(
        pl.Series("clip.npy", [*made], dtype=pl.Object)
    )
    encoder = fit_encoder("vectors", ["clip.npy"], items)

    def encode() -> tuple[Any, int]:
        tracemalloc.start()
        encoded = encode_items([encoder], items)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return encoded, peak

    together, most = encode()
    monkeypatch.setattr("adrec_cli.content.encoders._ITEMS_AT_ONCE", 100)
    by_parts, peak = encode()
    assert (by_parts == together).all()
    assert peak < 2 * by_parts.nbytes < most / 4


def slow_tfidf(texts: list[str], width: int) -> Any:
    """TF-IDF, then an exact SVD; as plain as can be."""
    docs = [words_and_runs(text) for text in texts]
    terms = sorted({term for doc in docs for term in doc})
    rows = np.zeros((len(docs), len(terms)))
    for row, doc in enumerate(docs):
        for column, term in enumerate(terms):
            if term in doc:
                containing = sum(term in other for other in docs)
                rows[row, column] = (1 + np.log(doc.count(term))) * (1 + np.log((1 + len(docs)) / (1 + containing)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    left, values, _ = np.linalg.svd(rows, full_matrices=False)
    reduced = left[:, :width] * values[:width]
    return reduced / np.linalg.norm(reduced, axis=1, keepdims=True)


def test_tfidf_equals_a_plain_one() -> None:
    texts = ["green tea", "green tea leaves", "black coffee", "coffee beans", "tea and coffee"]
    items = pl.DataFrame({"item_id": list("abcde"), "title": texts})
    ours = fit_encoder("tfidf", ["title"], items, width=3).encode(items)
    slow = slow_tfidf(texts, 3)
    # Components are known up to their signs; inner products are not.
    assert np.allclose(ours @ ours.T, slow @ slow.T, atol=2e-3)


def test_categories_equal_a_plain_svd() -> None:
    rng = np.random.default_rng(0)
    values = [f"v{n}" for n in range(9)]
    cells = ["|".join(rng.choice(values, size=rng.integers(1, 5), replace=False)) for _ in range(40)]
    items = pl.DataFrame({"category": cells})
    ours = fit_encoder("categories", ["category"], items, width=4).encode(items)
    has = np.array([[value in cell.split("|") for value in values] for cell in cells], dtype=float)
    has *= 1 + np.log(len(cells) / has.sum(axis=0))
    left, singular, _ = np.linalg.svd(has, full_matrices=False)
    reduced = left[:, :4] * singular[:4]
    reduced /= np.linalg.norm(reduced, axis=1, keepdims=True)
    assert np.allclose(ours @ ours.T, reduced @ reduced.T, atol=1e-4)


def test_categories_know_values_however_they_are_written_and_by_column() -> None:
    encoder = fit_encoder("categories", ["category", "brand"], ITEMS)
    names = as_texts(encoder.state["values"])
    assert names == ["brand=x", "brand=y", "brand=z", "category=coffee", "category=green", "category=tea"]
    lists = ITEMS.with_columns(category=pl.col("category").str.split("|"))
    assert np.array_equal(fit_encoder("categories", ["category", "brand"], lists).encode(lists), encoder.encode(ITEMS))


def test_numbers_are_read_as_they_are_written() -> None:
    read = as_numbers(ITEMS["price"]).to_list()
    assert read[:4] == [3.5, 1299.0, 4.0, 3.0]
    assert np.isnan(read[4:]).all()
    assert as_numbers(pl.Series(["1,5", "1.2.3", "inf", ""])).is_nan().all(), "what may mean two things means nothing"


@quickly
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=2, max_size=30))
def test_larger_numbers_reach_more_quantiles(values: list[float]) -> None:
    items = pl.DataFrame({"price": sorted(values)})
    encoder = fit_encoder("numbers", ["price"], items)
    reached = (encoder.encode(items) > 0).sum(axis=1)
    assert (np.diff(reached) >= 0).all()
    assert len(set(values)) == 1 or reached[0] < reached[-1]


@quickly
@given(st.lists(anything, min_size=1, max_size=8), st.lists(anything, max_size=5), st.sampled_from(list(COLUMNS)))
def test_any_text_gives_finite_vectors_or_one_line(cells: list[str | None], later: list[str | None], name: str) -> None:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name], reason="the extra text is not installed")
    items = pl.DataFrame({"x": cells}, schema={"x": pl.String})
    try:
        encoder = fit_encoder(name, ["x"], items)
    except InputError:
        return
    for cells_given in (cells, later):
        table = pl.DataFrame({"x": cells_given}, schema={"x": pl.String})
        vectors = encode_items([encoder], table)
        assert vectors.shape == (len(cells_given), encoder.width)
        assert (np.abs(vectors) <= 1).all()


def test_columns_choose_their_encoders() -> None:
    more = ITEMS.with_columns(
        description=pl.Series(["a long text about the thing " * 2] * 5 + ["another"]),
        year=pl.Series([1, 2, 3, 4, 5, 6]),
        same=pl.lit("x"),
        code=pl.Series(list("uvwxyz")),
    )
    assert {choice.name: choice.columns for choice in choose_encoders(more)} == {
        "tfidf": ("title", "description"),
        "categories": ("category", "brand"),
        "numbers": ("price", "year"),
    }
    assert parse_choice("wordllama", more).columns == ("title", "description")
    assert parse_choice("tfidf= brand , code", more).columns == ("brand", "code")


@pytest.mark.parametrize("text", ["bert", "tfidf=", "vectors=x", ""])
def test_what_is_no_choice_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_choice(text, ITEMS)


def test_a_width_that_nobody_means_is_refused() -> None:
    for width in (0, -1, 10**9):
        with pytest.raises(UsageError, match="width"):
            fit_encoder("categories", ["category"], ITEMS, width=width)
    with pytest.raises(InputError, match="no column 'colour'"):
        fit_encoder("categories", ["colour"], ITEMS)


def test_an_encoder_that_learnt_something_else_is_refused() -> None:
    state = dict(fitted("categories").state)
    for name, odd in {
        "weights": state["weights"][:-1],
        "components": state["components"][:, :-1],
        "values": state["values"][:-1],
    }.items():
        with pytest.raises(ValueError, match=r"shape|order"):
            FittedEncoder(name="categories", columns=("category",), state={**state, name: odd})
    with pytest.raises(ValueError, match="finite"):
        FittedEncoder(name="categories", columns=("c",), state={**state, "weights": state["weights"] * np.nan})
    with pytest.raises(ValueError, match="expected"):
        FittedEncoder(name="categories", columns=("c",), state={"values": state["values"]})


def test_every_encoder_says_what_it_learns() -> None:
    for name in COLUMNS:
        assert set(fitted(name).state) == set(ENCODERS[name].arrays)


def test_wordllama_leaves_logging_as_it_was() -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    fitted("wordllama").encode(ITEMS)
    assert (list(root.handlers), root.level) == before


@pytest.mark.parametrize("width", [2, 4])
def test_given_vectors_of_another_width_are_refused(width: int) -> None:
    state = given_vectors.fit(pl.DataFrame({"clip": [[1.0, 2.0, 3.0], None]}), 9)
    assert given_vectors.encode(pl.DataFrame({"clip": [None, [1.0, 2.0, 3.0]]}), state).tolist() == [[0] * 3, [1, 2, 3]]
    assert given_vectors.encode(
        pl.DataFrame({"clip": pl.Series([None], dtype=pl.List(pl.Float64))}), state
    ).tolist() == [[0] * 3]
    with pytest.raises(InputError, match=f"vectors of clip have {width} entries, expected 3"):
        given_vectors.encode(pl.DataFrame({"clip": [[1.0] * width]}), state)
