"""NaN and infinity are written into no artifact: JSON does not know them, and no other program would read it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.artifacts.evaluation import Evaluation, write_evaluation
from adrec_cli.artifacts.nights import Drift, Night, note_night
from adrec_cli.artifacts.ranks import COLUMNS, rank_file
from adrec_cli.artifacts.sweep_files import RESULT_COLUMNS, SweepRecord, write_sweep
from adrec_cli.sweeping.trials import Trial, write_trials
from tests.made_up import made_up

RANKS, RESULTS = pl.DataFrame(schema=COLUMNS), pl.DataFrame(schema=RESULT_COLUMNS)
WRITERS: dict[str, Callable[[Path, float], object]] = {
    "a metric of an evaluation": lambda folder, value: write_evaluation(
        made_up(Evaluation, path=str(folder / "e.json"), metrics={"ndcg@10": value}), RANKS
    ),
    "the provenance of ranks": lambda folder, value: rank_file(RANKS, {"temperature": value}),
    "a figure of a night": lambda folder, value: note_night(folder, made_up(Night, value=value)),
    "what a night has changed": lambda folder, value: note_night(
        folder, made_up(Night, drift=made_up(Drift, new_users=value))
    ),
    "an option of a sweep": lambda folder, value: write_sweep(
        folder, made_up(SweepRecord, base={"lambda": value}), RESULTS
    ),
    "the value of a trial": lambda folder, value: write_trials(folder / "t.jsonl", [made_up(Trial, value=value)]),
}


@pytest.mark.parametrize("what", WRITERS)
def test_it_is_refused_before_anything_is_written(tmp_path: Path, what: str) -> None:
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="JSON"):
            WRITERS[what](tmp_path, value)
        left = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
        assert left <= {".ranks-next"}, "ranks lie under a name of their own until their evaluation is there"
    WRITERS[what](tmp_path, 0.5)
