"""Encoders of train events once the data set is cut otherwise: what was train may be held out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.artifacts.item_vectors import read_item_vectors, read_item_vectors_header
from adrec_cli.artifacts.tensor_file import open_tensors, write_tensors
from adrec_cli.content.encoding import encode_if_stale
from adrec_cli.content.options import EncodeOptions
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.rollback import rollback_data
from tests.conftest import write_interactions
from tests.robustness.processes import typed_here

pytest.importorskip("sklearn", reason="the extra text is not installed")

NARROW = EncodeOptions(encoders=("cooccurrence",), width=3)
BY_TIME = PreprocessOptions(split="time", valid_from="2020-09-13T12:34:00Z", test_from="2020-09-13T12:37:00Z")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A workspace with a data set whose items were encoded by their neighbours, in three directions."""
    write_interactions(tmp_path / "shop.csv")
    preprocess(str(tmp_path / "shop.csv"), workspace=tmp_path / "ws")
    encode(workspace=tmp_path / "ws", options=NARROW)
    return tmp_path / "ws"


def cut_by_time(shop: Path, **options: Any) -> None:
    """Split the same events by time, with the moments or filters that are given."""
    changed = PreprocessOptions(**{**vars(BY_TIME), **options})
    preprocess(str(shop.parent / "shop.csv"), workspace=shop, options=changed, force=True)


def add_events(shop: Path) -> None:
    """Add events of two users, later than all others."""
    later = shop.parent / "more.csv"
    pl.DataFrame({"user_id": ["u1", "u2"], "item_id": ["i3", "i9"], "timestamp": [2 * 10**9] * 2}).write_csv(later)
    preprocess(str(later), workspace=shop, options=PreprocessOptions(update=shop / "shop"))


def go_back_after_fitting(shop: Path) -> None:
    """Fit to a day that is then gone back from."""
    add_events(shop)
    encode(workspace=shop, options=NARROW)
    rollback_data("shop", workspace=shop)


def forget_record(shop: Path) -> None:
    """Write the vectors as they were written before it was recorded what they were fitted on."""
    path = shop / "shop/items.vectors.safetensors"
    with open_tensors(path) as file:
        tensors, text = file.load()[0], dict(file.text)
    write_tensors(path, tensors, {key: value for key, value in text.items() if key not in ("fitted_on", "width")})
    add_events(shop)


@pytest.mark.parametrize("change", [cut_by_time, go_back_after_fitting, forget_record])
def test_a_night_fits_anew_what_may_have_read_events_that_are_held_out(
    shop: Path, change: Callable[[Path], None]
) -> None:
    change(shop)
    folder = shop / "shop"
    verdict = typed_here(["verify", "--workspace", shop, "--json"])
    assert "adrec encode shop --encoder cooccurrence --width 3" in verdict.stdout
    done = encode_if_stale(folder)
    assert done is not None
    assert "fitted again" in done.warnings[0]
    made = read_item_vectors(folder)
    assert made.vectors_VC.shape[1] == 3
    assert encode_if_stale(folder) is None
    # Bytes as of one who encodes for the first time, but for what an earlier version did not write down.
    encode(workspace=shop, options=NARROW)
    first = read_item_vectors(folder)
    assert (made.encoders_sha256, made.vectors_sha256) == (first.encoders_sha256, first.vectors_sha256)
    assert made.fitted_on == first.fitted_on


def test_nights_that_add_events_go_on_in_the_same_space_and_remember_what_it_was_fitted_on(shop: Path) -> None:
    cut_by_time(shop)
    encode(workspace=shop, options=NARROW)
    before = read_item_vectors_header(shop / "shop")
    add_events(shop)
    assert encode_if_stale(shop / "shop") is not None
    after = read_item_vectors_header(shop / "shop")
    assert after.encoders_sha256 == before.encoders_sha256
    assert after.fitted_on == before.fitted_on
    assert after.sequences_sha256 != before.sequences_sha256
    # Of this fit, not of the last night's vectors: an earlier end of train is another cut.
    preprocess(
        str(shop.parent / "shop.csv"), workspace=shop, force=True,
        options=PreprocessOptions(**{**vars(BY_TIME), "valid_from": "2020-09-13T12:31:00Z"}),
    )  # fmt: skip
    assert encode_if_stale(shop / "shop") is not None
    assert read_item_vectors_header(shop / "shop").encoders_sha256 != before.encoders_sha256


def test_encoders_that_are_taken_as_they_are_say_what_they_may_have_read(shop: Path, tmp_path: Path) -> None:
    line = ["encode", "shop", "--like", "shop", "--workspace", shop]
    assert "have read" not in typed_here(line).stderr
    cut_by_time(shop)
    before = read_item_vectors_header(shop / "shop")
    said = " ".join(typed_here(line).stderr.split())
    assert "train events of another cut, some perhaps held out now" in said
    assert "adrec encode shop --encoder cooccurrence --width 3" in said
    assert read_item_vectors_header(shop / "shop").encoders_sha256 == before.encoders_sha256
    preprocess(str(tmp_path / "shop.csv"), workspace=shop, options=PreprocessOptions(name="two"))
    said = " ".join(typed_here(["encode", "two", "--like", "shop", "--workspace", shop]).stderr.split())
    assert "train events of 'shop': some are held out here if both are of one log" in said
