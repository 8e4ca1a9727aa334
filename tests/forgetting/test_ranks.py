"""Ranks without some users: those of others stay as they are, and what nobody can read does not stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.artifacts.evaluation import ranks_path, read_ranks, write_evaluation
from adrec_cli.forgetting.ranks import forget_in_ranks
from tests.artifacts.test_evaluation import evaluation, table


def write_report(folder: Path, name: str, users: int) -> Path:
    path = folder / f"reports/{name}.json"
    write_evaluation(evaluation(path, protocol="loo/full/test"), table(list(range(1, users + 1))))
    return path


def test_only_ranks_that_hold_one_of_them_are_written_again(tmp_path: Path) -> None:
    with_them, without = write_report(tmp_path, "all", 3), write_report(tmp_path, "few", 2)
    before = ranks_path(without).read_bytes()
    assert forget_in_ranks(tmp_path, {"u2", "nobody"}) == [ranks_path(with_them)]
    assert read_ranks(with_them).user_ids.to_list() == ["u0", "u1"]
    assert read_ranks(with_them).ranks.tolist() == [1, 2]
    assert ranks_path(without).read_bytes() == before
    assert forget_in_ranks(tmp_path, {"u2", "nobody"}) == []


@pytest.mark.parametrize("damaged", ["report", "ranks", "cut ranks", "no report"])
def test_ranks_that_nobody_can_read_are_removed(tmp_path: Path, damaged: str) -> None:
    report, other = write_report(tmp_path, "all", 3), write_report(tmp_path, "other", 3)
    path = report if damaged.endswith("report") else ranks_path(report)
    if damaged == "no report":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(
            content[: len(content) // 2] + (b"" if damaged == "cut ranks" else b"~" + content[len(content) // 2 + 1 :])
        )
    forget_in_ranks(tmp_path, {"u1"})
    assert not ranks_path(report).exists()
    assert read_ranks(other).user_ids.to_list() == ["u0", "u2"]
