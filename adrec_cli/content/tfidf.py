"""Texts as sums of rare words and runs of letters, brought down to few entries: TF-IDF and a truncated SVD.

Source: Deerwester et al., "Indexing by latent semantic analysis", JASIS 1990, with scikit-learn's parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from adrec_cli.content.state import Matrix, State, as_bytes, as_texts, count_components
from adrec_cli.content.texts import join_texts, words_and_runs
from adrec_cli.errors import InputError, UsageError
from adrec_cli.wording import option

MOST_TERMS = 50_000
_FEW_ITEMS = 50
"""Of so few, a term that a single item has may tell something."""


def fit(columns: pl.DataFrame, most: int) -> State:
    """Learn terms, how rare they are, and the directions in which texts differ most.

    Raises:
        InputError: there is no text. UsageError: scikit-learn is not installed.
    """
    texts = [text for text in join_texts(columns) if text]
    terms, idf = _rare_terms(texts, columns.columns)
    weighted = _vectorizer(terms, idf).transform(texts)
    kept = min(most, len(terms), len(texts))
    if kept == len(terms):
        components = np.eye(kept, dtype=np.float32)
    else:
        from sklearn.utils.extmath import randomized_svd

        components = randomized_svd(weighted, n_components=kept, random_state=0)[2].astype(np.float32)
    return {"terms": as_bytes(terms), "idf": idf.astype(np.float32), "components": components}


def width(state: State) -> int:
    """Return how many entries a vector has; errors as `count_components`."""
    return count_components(state, "terms", "idf")


def encode(columns: pl.DataFrame, state: State) -> Matrix:
    """Return a vector for each text; zeros where no term is known."""
    if columns.is_empty():
        return np.zeros((0, len(state["components"])))
    weighted = _vectorizer(as_texts(state["terms"]), state["idf"]).transform(join_texts(columns))
    encoded: Matrix = weighted @ state["components"].T.astype(np.float64)
    return encoded


def _rare_terms(texts: Sequence[str], columns: Sequence[str]) -> tuple[list[str], Matrix]:
    text_extra = _text_extra()
    for least in (1 if len(texts) < _FEW_ITEMS else 2, 1):
        counted = text_extra.TfidfVectorizer(
            analyzer=words_and_runs, sublinear_tf=True, min_df=least, max_features=MOST_TERMS
        )
        try:
            counted.fit(texts)
        except ValueError:
            # No text, or no term in enough of them.
            continue
        return counted.get_feature_names_out().tolist(), counted.idf_
    raise InputError(
        f"no item has a text in {', '.join(columns)}", hint=f"name other columns: {option('encoder')} tfidf=title"
    )


def _vectorizer(terms: Sequence[str], idf: Matrix) -> Any:
    vectorizer = _text_extra().TfidfVectorizer(analyzer=words_and_runs, sublinear_tf=True, vocabulary=terms)
    vectorizer.idf_ = np.asarray(idf, dtype=np.float64)
    return vectorizer


def _text_extra() -> Any:
    try:
        from sklearn.feature_extraction import text
    except ImportError as error:
        raise UsageError("tfidf needs scikit-learn", hint="pip install 'adrec-cli[text]'") from error
    return text
