"""A picture of a sweep holds each run with the figures of its seeds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.artifacts.sweep_files import RESULT_COLUMNS, SweepRecord, write_sweep
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.opening import Dataset
from adrec_cli.pictures.sweeps import sweeps
from adrec_cli.plots.sweep import BASE, SweepPoint
from tests.pictures.test_what_is_drawn import LOOK, Catch, in_copy


def write_runs(
    dataset: Dataset,
    folder: Path,
    runs: list[tuple[str, str, str]],
    *,
    seeds: int = 2,
    name: str = "mine",
    **record: Any,
) -> None:
    """Write a sweep whose runs are named, of a key and a value each."""
    rows = [
        {
            "run": run, "key": key, "value": value, "seed": seed, "part": of, "protocol": f"loo/full/{of}",
            "metric": metric, "metric_value": 0.1 * place + 0.01 * seed + shift, "lower": 0.01, "upper": 0.99,
            "users": 9, "training_seconds": 1.0, "ranking_seconds": 1.0, "checkpoint": "c", "checkpoint_sha256": "s",
        }
        for place, (run, key, value) in enumerate(runs)
        for seed in range(seeds)
        for of, shift in (("valid", 0.0), ("test", 0.5))
        for metric in ("ndcg@10", "hr@10")
    ]  # fmt: skip
    told: dict[str, Any] = {
        "dataset": "tiny", "model": "sasrec", "name": name, "command": "adrec sweep", "monitor": "ndcg@10", "base": {},
        "sequences_sha256": dataset.manifest.sequences_sha256, "base_values": {}, "runs": [],
    }  # fmt: skip
    (folder / "sweeps" / name).mkdir(parents=True)
    table = pl.DataFrame(rows, schema=RESULT_COLUMNS)
    write_sweep(folder / "sweeps" / name, SweepRecord(**{**told, **record}), table)


def listed(points: list[SweepPoint]) -> list[tuple[str, str, str, str]]:
    return [(point.name, point.key, point.value, point.part) for point in points]


def test_a_sweep_holds_each_run_with_the_figures_of_its_seeds(dataset: Dataset, tmp_path: Path, catch: Catch) -> None:
    drawn = catch("sweeps.draw_sweep")
    runs = [(BASE, "", ""), ("a=1", "a", "1"), ("a=2", "a", "2"), ("b=x", "b", "x"), ("a=3", "a", "3")]
    values = {"a": "2.0", "b": "y", "stages": "1,2", "unvaried": "7"}
    write_runs(dataset, tmp_path, runs, base_values=values)
    (found,) = sweeps(in_copy(dataset, tmp_path), LOOK)
    (points,) = drawn.what
    expected = {
        of: [(BASE, "", "", of), (BASE, "a", "2.0", of), (BASE, "b", "y", of), ("a=1", "a", "1", of),
             ("b=x", "b", "x", of), ("a=3", "a", "3", of)]
        for of in ("valid", "test")
    }  # fmt: skip
    assert sorted(listed(points)) == sorted([*expected["valid"], *expected["test"]]), "a=2 is the base again"
    place = {run: number for number, (run, _, _) in enumerate(runs)}
    for point in points:
        start = 0.1 * place[point.name] + (0.5 if point.part == "test" else 0.0)
        assert list(point.seeds) == pytest.approx([start, start + 0.01])
        assert point.metric.value == pytest.approx(start + 0.005)
        assert point.metric.value - point.metric.lower == pytest.approx(12.706 * 0.01 / 2)
    assert (found.name, found.title) == ("sweep-mine", "Sweep mine: SASRec on tiny")
    assert found.about.startswith("tiny, loo/full/valid, loo/full/test; 2 seeds, 95% intervals over seeds; ringed")
    assert drawn.options[0]["metric"] == "NDCG@10"


def test_one_seed_has_the_interval_over_users(dataset: Dataset, tmp_path: Path, catch: Catch) -> None:
    drawn = catch("sweeps.draw_sweep")
    write_runs(dataset, tmp_path, [("a=1", "a", "1"), ("a=2", "a", "2")], seeds=1, base_values={"a": "2"})
    (found,) = sweeps(in_copy(dataset, tmp_path), dataclasses.replace(LOOK, metric="hr@10"))
    assert "one seed, 95% intervals over users" in found.about
    assert {(point.metric.lower, point.metric.upper) for point in drawn.what[0]} == {(0.01, 0.99)}
    assert {name for name, *_ in listed(drawn.what[0])} == {"a=1", "a=2"}, "without a base every run stands for itself"
    assert drawn.options[0]["metric"] == "HR@10"
    with pytest.raises(UsageError, match="sweep mine has no metric 'auc'"):
        sweeps(in_copy(dataset, tmp_path), dataclasses.replace(LOOK, metric="auc"))


def test_sweeps_of_other_data_or_without_anything_to_draw_are_left_out(
    dataset: Dataset, tmp_path: Path, catch: Catch
) -> None:
    catch("sweeps.draw_sweep")
    runs = [("a=1", "a", "1"), ("a=2", "a", "2")]
    write_runs(dataset, tmp_path, runs, name="others", sequences_sha256="x")
    write_runs(dataset, tmp_path, [("grid 1", "", ""), ("grid 2", "", "")], name="grid")
    write_runs(dataset, tmp_path, [], name="empty")
    with pytest.raises(ArtifactError, match="tiny has no result of a sweep"):
        sweeps(in_copy(dataset, tmp_path), LOOK)
    write_runs(dataset, tmp_path, runs, name="good")
    assert [one.name for one in sweeps(in_copy(dataset, tmp_path), LOOK)] == ["sweep-good"]
