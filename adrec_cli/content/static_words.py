"""Texts as means of static vectors of their pieces of words, which ship inside the package wordllama: no download.

Source: Miller, WordLlama, whose vectors are taken from the token embeddings of Llama 2 and trained further.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from adrec_cli.content.state import Matrix, State, require_shape
from adrec_cli.content.texts import join_texts
from adrec_cli.errors import ArtifactError, InputError, UsageError
from adrec_cli.wording import command, option

_AT_ONCE = 1_024


def fit(columns: pl.DataFrame, most: int) -> State:
    """Record which vectors are used, and how many of their entries.

    Raises:
        InputError: there is no text. UsageError: wordllama is not installed.
    """
    if not any(join_texts(columns)):
        raise InputError(
            f"no item has a text in {', '.join(columns.columns)}",
            hint=f"name other columns: {option('encoder')} wordllama=title",
        )
    # Trained so that the first entries are vectors by themselves.
    cut = min(most, _model().embedding.shape[1])
    return {"weights_sha256": _weights_sha256(), "cut": np.array([cut], dtype=np.int64)}


def width(state: State) -> int:
    """Return how many entries a vector has.

    Raises:
        ValueError: what was recorded does not fit together.
    """
    require_shape(state["weights_sha256"], (32,), "weights_sha256")
    require_shape(state["cut"], (1,), "cut")
    return int(state["cut"][0])


def encode(columns: pl.DataFrame, state: State) -> Matrix:
    """Return the mean vector of each text's pieces; zeros for no text.

    Raises:
        ArtifactError: wordllama is of another version, whose vectors differ.
    """
    if not np.array_equal(state["weights_sha256"], _weights_sha256()):
        raise ArtifactError(
            "wordllama has other vectors than those the items were encoded with",
            hint=f"encode again, and then train again: {command('encode')}",
        )
    model, cut = _model(), int(state["cut"][0])
    texts = join_texts(columns)
    encoded = np.zeros((len(texts), cut), dtype=np.float32)
    for start in range(0, len(texts), _AT_ONCE):
        pieces = model.tokenizer.encode_batch(texts[start : start + _AT_ONCE], add_special_tokens=False)
        for row, piece in enumerate(pieces, start):
            # One after the other rather than padded to the longest, which one long text would make huge.
            if piece.ids:
                encoded[row] = model.embedding[np.asarray(piece.ids), :cut].mean(axis=0)
    return encoded


@functools.cache
def _model() -> Any:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        import wordllama

        # It looks for its tokenizer under a name that its package does not have, unless the package is the cache.
        shipped = Path(wordllama.__file__).parent
        model = wordllama.WordLlama.load(cache_dir=shipped, disable_download=True)
    except ImportError as error:
        raise UsageError("this encoder needs wordllama", hint="pip install 'adrec-cli[text]'") from error
    except FileNotFoundError as error:
        raise UsageError(
            "this wordllama ships without its vectors", hint="use tfidf, or install another version"
        ) from error
    finally:
        # It sets up logging for the whole process as it is imported.
        root.handlers[:], root.level = handlers, level
    model.tokenizer.no_padding()
    return model


@functools.cache
def _weights_sha256() -> np.ndarray[Any, Any]:
    return np.frombuffer(hashlib.sha256(_model().embedding.tobytes()).digest(), dtype=np.uint8).copy()
