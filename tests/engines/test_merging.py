"""Files read apart and joined are what reading them together gives, or are refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.interactions import Interactions
from adrec_cli.data.plan import Plan, make_plan
from adrec_cli.data.reading.file_order import settle_order
from adrec_cli.data.reading.source_content import ReadFiles, check_alike, read_files
from adrec_cli.engines.merging import join_interactions, merge_reports, read_apart
from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import PreprocessOptions
from tests.data.table_files import START, write_csv
from tests.engines.logs import logs, try_run, write_log
from tests.examples import tries


def plan_of(source: Path, **options: object) -> Plan:
    return make_plan(
        str(source), workspace=source.parent, raw=None, options=PreprocessOptions(**options),  # type: ignore[arg-type]
        on_event=lambda event: None,
    )  # fmt: skip


def read_each(plan: Plan, scratch: Path) -> ReadFiles[Interactions]:
    """Read files apart and join them, as the driver does with what the workers read."""
    files = [read_apart(plan, number, scratch) for number in range(len(plan.paths))]
    tables = [table for one in files for table in one.tables]
    check_alike(tables)
    report = merge_reports(tables, [one.report for one in files])
    joined = join_interactions([one.interactions for one in files])
    if joined.part is None:
        rows = [len(one.interactions) for one in files]
        settle_order(tables, np.split(joined.user, np.cumsum(rows)[:-1]), report)
    return ReadFiles(tables=tables, interactions=joined, report=report)


def require_same(one: ReadFiles, other: ReadFiles) -> None:
    for name in ("user", "item", "time", "part"):
        np.testing.assert_array_equal(getattr(one.interactions, name), getattr(other.interactions, name))
    for name in ("user_ids", "item_ids"):
        assert getattr(one.interactions, name).to_list() == getattr(other.interactions, name).to_list()
    assert vars(one.report) == vars(other.report)
    assert [table.columns for table in one.tables] == [table.columns for table in other.tables]


@settings(max_examples=tries(15))
@given(logs(), st.sampled_from([None, 'item_id != "a"', "user_id in 7,9,a,b"]))
def test_files_read_apart_are_what_they_are_together(log, where):
    form, files = log
    with tempfile.TemporaryDirectory() as name:
        folder, scratch = write_log(Path(name) / "log", form, files), Path(name)
        plan = plan_of(folder, where=() if where is None or form == "baskets" else (where,))
        together = try_run(lambda: read_files(plan, scratch))
        apart = try_run(lambda: read_each(plan, scratch))
        if isinstance(together, ReadFiles) and isinstance(apart, ReadFiles):
            require_same(apart, together)
        else:
            assert apart == together


def test_a_published_split_keeps_its_parts(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    for name in ("train", "valid", "test"):
        write_csv(folder / f"{name}.csv", [("u", name, START), ("v", "x", START + 1)])
    plan = plan_of(folder)
    together = read_files(plan, tmp_path)
    assert len(set(together.interactions.part)) == 3
    require_same(read_each(plan, tmp_path), together)


def test_what_is_skipped_is_counted_for_all(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    for number in range(3):
        write_csv(folder / f"{number}.csv", [("u", "a ", START), ("", "b", START), ("v", "", START), ("w", "b", START)])
    plan = plan_of(folder, on_bad_row="skip", timestamp_unit="s")
    together = read_files(plan, tmp_path)
    assert together.report.bad_rows.count == 6
    require_same(read_each(plan, tmp_path), together)


@pytest.mark.parametrize("time", [START, f"{START}000", "2021-12-31 23:59:59"])
def test_a_file_of_which_nothing_is_wanted_is_no_hindrance(tmp_path, time):
    folder = tmp_path / "log"
    folder.mkdir()
    for number, rating in enumerate((1, 5, 1)):
        write_csv(folder / f"{number}.csv", [("u", "a", time, rating)], header="user_id,item_id,timestamp,rating")
    plan = plan_of(folder, min_rating=3)
    together = read_files(plan, tmp_path)
    assert len(together.interactions) == 1
    require_same(read_each(plan, tmp_path), together)


REFUSED = {
    "seconds and milliseconds": ([("u", "a", START)], [("u", "a", START * 1000)], {}, "timestamp_unit"),
    "a day that may be a month": ([("u", "a", "13/02/2021")], [("u", "b", "01/02/2021")], {}, "timestamp_format"),
    "days first and months first": ([("u", "a", "13/02/2021")], [("u", "b", "02/13/2021")], {}, "timestamp_format"),
    "no unit said, and a bad row": (
        [("u", "a", START), ("v", "a", START)],
        [("u", "a", START), ("v", "a", START * 1000), ("w", "b", START)],
        {"on_bad_row": "skip"},
        "timestamp_unit",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_only_all_files_decide_is_refused(tmp_path, case):
    first, second, options, hint = REFUSED[case]
    folder = tmp_path / "log"
    folder.mkdir()
    write_csv(folder / "1.csv", first)
    write_csv(folder / "2.csv", second)
    with pytest.raises(InputError) as error:
        read_each(plan_of(folder, **options), tmp_path)
    assert hint in error.value.hint


def test_files_of_other_columns_are_refused(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    write_csv(folder / "1.csv", [("u", "a", START)])
    write_csv(folder / "2.csv", [("u", "a", START)], header="user_id,sku,timestamp")
    with pytest.raises(InputError, match=r"2\.csv"):
        read_each(plan_of(folder), tmp_path)
