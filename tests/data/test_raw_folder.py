"""A folder of raw files is refused where no file is looked for in it, rather than passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import adrec_cli
from adrec_cli.cli.app import app
from adrec_cli.data.named_negatives import require_negatives_searched
from adrec_cli.data.source_names import require_raw_searched
from adrec_cli.errors import UsageError
from tests.robustness.processes import typed_here


@pytest.mark.parametrize("source", ["shop", "events.csv", "logs/*.csv", "s3://lake/events/", "demo"])
def test_only_named_data_sets_that_have_files_are_looked_for(source: str, tmp_path: Path) -> None:
    require_raw_searched(source, None)
    with pytest.raises(UsageError, match=r"looked for in raw=.*, and .* has none") as caught:
        require_raw_searched(source, tmp_path)
    assert caught.value.hint == "leave raw= out"
    require_raw_searched("grocery", tmp_path)


@pytest.mark.parametrize(
    "line", [["preprocess", "CSV"], ["preprocess", "CSV", "--dry-run"], ["run", "CSV"], ["run", "tiny"]]
)
def test_what_is_typed_in_vain_is_refused(tiny_source: Path, workspace: Path, line: list[str]) -> None:
    csv = tiny_source.parent / "tiny.csv"
    typed = [str(csv) if word == "CSV" else word for word in line]
    error = typed_here([*typed, "--raw", csv.parent, "--workspace", workspace]).require_one_error(2)
    assert f"looked for in --raw {csv.parent}, and {typed[1]} has none" in error


@pytest.mark.parametrize("negatives", [None, "0", "99", "their.csv", "tiny:test"])
def test_only_named_negatives_are_looked_for(negatives: str | None, tmp_path: Path) -> None:
    require_negatives_searched(negatives, None)
    require_negatives_searched("grocery:test", tmp_path)
    with pytest.raises(UsageError, match=r"looked for in raw=.*, and with .* none are") as caught:
        require_negatives_searched(negatives, tmp_path)
    assert caught.value.hint == "leave raw= out, or name some, as in negatives='grocery:test'"


@pytest.mark.parametrize("negatives", [[], ["--negatives", "99"]])
@pytest.mark.parametrize("line", [["evaluate", "mostpop"], ["compare", "tiny"], ["sweep", "tiny", "--vary", "steps=5"]])
def test_what_is_typed_in_vain_of_negatives_is_refused(
    workspace: Path, tmp_path: Path, line: list[str], negatives: list[str]
) -> None:
    error = typed_here([*line, *negatives, "--raw", tmp_path, "--workspace", workspace]).require_one_error(2)
    assert f"negatives are looked for in --raw {tmp_path}, and with " in error


def test_the_folder_of_the_environment_is_there_for_negatives(tiny_source: Path, workspace: Path) -> None:
    line = ["evaluate", "mostpop", "--workspace", str(workspace)]
    done = CliRunner(env={"ADREC_RAW": str(workspace)}).invoke(app, line)
    assert done.exit_code == 0, done.output


def test_the_folder_of_the_environment_is_there_for_all_commands(tiny_source: Path, workspace: Path) -> None:
    csv = tiny_source.parent / "tiny.csv"
    typed = ["preprocess", str(csv), "--workspace", str(workspace)]
    done = CliRunner(env={"ADREC_RAW": str(csv.parent)}).invoke(app, typed)
    assert done.exit_code == 0, done.output
    other = CliRunner(env={"ADREC_RAW": str(csv.parent)}).invoke(app, [*typed, "--raw", str(workspace)])
    assert other.exit_code == 2


def test_the_folder_may_hold_published_negatives(workspace: Path, tmp_path: Path) -> None:
    line = ["run", "tiny", "--raw", tmp_path, "--negatives", "grocery:test", "--workspace", workspace]
    assert "looked for in" not in typed_here(line).require_one_error(3)


def test_a_caller_of_python_is_told_too(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"looked for in raw=.*tiny\.csv has none"):
        adrec_cli.preprocess(workspace.parent / "tiny.csv", raw=tmp_path, workspace=tmp_path)
    with pytest.raises(UsageError, match=r"looked for in raw=.*, and with negatives=99 none are"):
        adrec_cli.evaluate("mostpop", negatives=99, raw=tmp_path, workspace=workspace)
