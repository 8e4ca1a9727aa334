"""Ids coded batch by batch come back, however they collide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data import id_coder
from adrec_cli.data.id_coder import IdCoder, hash_ids
from tests.examples import tries

Ids = list[str | None]
BATCHES = st.lists(st.lists(st.none() | st.text("ab\0é", max_size=3), max_size=30), min_size=1, max_size=5)
HASHES: dict[str, Callable[[pl.Series], np.ndarray]] = {
    "true": hash_ids,
    "one for all": lambda ids: np.zeros(len(ids), dtype=np.uint64),
    "the last slot": lambda ids: np.full(len(ids), 2**64 - 1, dtype=np.uint64) - hash_ids(ids) % np.uint64(7),
    "by length": lambda ids: ids.str.len_bytes().fill_null(9).to_numpy().astype(np.uint64) << np.uint64(62),
}


def code_all(batches: list[Ids]) -> IdCoder:
    coder = IdCoder()
    for batch in batches:
        codes = coder.code(pl.Series("user", batch, dtype=pl.String))
        assert coder.ids.gather(codes).to_list() == batch
    return coder


@pytest.mark.parametrize("name", HASHES)
@given(batches=BATCHES)
@settings(max_examples=tries(60), deadline=None)
def test_every_id_comes_back_and_has_one_code(name: str, batches: list[Ids]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(id_coder, "hash_ids", HASHES[name])
        coder = code_all(batches)
    assert set(coder.ids.to_list()) == {text for batch in batches for text in batch}
    assert coder.ids.is_empty() or coder.ids.n_unique() == len(coder.ids)


@pytest.mark.parametrize("name", ["true", "the last slot"])
def test_a_table_grows_with_its_ids(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_coder, "hash_ids", HASHES[name])
    rng = np.random.default_rng(1)
    batches: list[Ids] = [[f"u{number}" for number in rng.integers(0, 3**k, 2000)] for k in (1, 5, 8, 10, 7)]
    coder = code_all(batches)
    assert sorted(coder.ids.to_list()) == sorted({text for batch in batches for text in batch if text})
