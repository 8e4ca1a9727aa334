"""A file that is asked for takes nothing else's place: no link is followed, nothing foreign is removed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.robustness.processes import Ended, artifacts, typed_here


def recommend(workspace: Path, out: Path, *more: object) -> Ended:
    return typed_here(["recommend", "--all", "-k", 3, "--out", out, "--workspace", workspace, "-q", *more])


def test_a_link_in_the_place_of_the_parts_is_not_followed(finished: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    for name in ("precious.parquet", ".keep.tmp"):
        (victim / name).write_text("x")
    (tmp_path / ".recs.csv.parts").symlink_to(victim)
    recommend(finished, tmp_path / "recs.csv").require_one_error(2)
    assert {path.name for path in victim.iterdir()} == {"precious.parquet", ".keep.tmp"}


def test_a_folder_of_somebody_else_in_the_place_of_the_parts_stays(finished: Path, tmp_path: Path) -> None:
    parts = tmp_path / ".recs.csv.parts"
    parts.mkdir()
    (parts / "notes.txt").write_text("x")
    said = recommend(finished, tmp_path / "recs.csv").require_one_error(2)
    assert "notes.txt" in said
    assert [path.name for path in parts.iterdir()] == ["notes.txt"]


def test_what_somebody_puts_among_the_parts_stays(finished: Path, tmp_path: Path) -> None:
    parts = tmp_path / ".recs.csv.parts"
    parts.mkdir()
    (parts / "key").write_text("0" * 64)
    (parts / f"000000-{'0' * 64}.parquet").write_text("of another run")
    (parts / "precious.parquet").write_text("x")
    assert recommend(finished, tmp_path / "recs.csv").exit_code == 0
    assert [path.name for path in parts.iterdir()] == ["precious.parquet"]
    assert (tmp_path / "recs.csv").is_file()


@pytest.mark.parametrize("name", ["sequences.parquet", "items.parquet", "adrec/log.jsonl", "adrec/promoted/a.parquet"])
def test_no_artifact_is_written_over(workspace: Path, tmp_path: Path, name: str) -> None:
    before = artifacts(workspace)
    recommend(workspace, workspace / "shop" / name).require_one_error(2)
    assert artifacts(workspace) == before


def test_a_report_takes_no_artifacts_place(workspace: Path) -> None:
    before = artifacts(workspace)
    arguments = ["report", "shop", "--workspace", workspace, "--no-pictures", "-q", "--out"]
    typed_here([*arguments, workspace / "shop/manifest.json"]).require_one_error(2)
    assert artifacts(workspace) == before


def test_inputs_stay(finished: Path, tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    users.write_text("user_id\nu1\n")
    arguments = ["recommend", "--users", users, "-k", 3, "--workspace", finished, "-q", "--out"]
    typed_here([*arguments, users]).require_one_error(2)
    assert users.read_text() == "user_id\nu1\n"
    listed = tmp_path / "recs.unknown.jsonl"
    listed.write_text("mine\n")
    assert "recs.unknown.jsonl" in typed_here([*arguments, tmp_path / "recs.csv"]).require_one_error(2)
    assert listed.read_text() == "mine\n"


@pytest.mark.parametrize(
    "arguments", [["recommend", "--all", "-k", 3], ["report", "shop", "--no-pictures"], ["card", "shop"]]
)
def test_what_the_data_set_was_made_from_stays(
    finished: Path, csv: Path, tmp_path: Path, arguments: list[object]
) -> None:
    for name, more in (("shop.csv", b""), ("copy.csv", b""), ("shop.csv", b"u0,i0,1400000000\n")):
        out = tmp_path / name
        out.write_bytes(csv.read_bytes() + more)
        said = typed_here([*arguments, "--workspace", finished, "-q", "--out", out]).require_one_error(2)
        assert "is what the data set was made from (shop.csv)" in said
        assert out.read_bytes() == csv.read_bytes() + more


def test_a_copy_for_others_takes_no_source(finished: Path, csv: Path, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(csv.read_bytes())
    convert = ["convert", "shop", "--to", "csv", "--out", tmp_path, "--workspace", finished]
    assert "train.csv is what the data set was made from" in typed_here(convert).require_one_error(2)
    assert (tmp_path / "train.csv").read_bytes() == csv.read_bytes()


def test_what_status_says_to_type_takes_no_source(finished: Path, csv: Path, tmp_path: Path) -> None:
    step = json.loads(typed_here(["status", "--workspace", finished, "--json"]).stdout)["next"][-1]
    words = shlex.split(step["command"])
    assert (words[1], "--out" in words) == ("recommend", True)
    assert Path(words[words.index("--out") + 1]).name not in ("shop.csv", csv.name)


def test_a_list_of_unknown_ones_of_ours_is_made_anew(finished: Path, tmp_path: Path) -> None:
    users, out = tmp_path / "users.txt", tmp_path / "recs.csv"
    arguments = ["recommend", "--users", users, "-k", 3, "--workspace", finished, "-q", "--out", out]
    for content, listed in (("u1\nnobody\n", True), ("u1\nsomebody\n", True), ("u1\n", False)):
        users.write_text(content)
        assert typed_here(arguments).exit_code == 0
        assert (tmp_path / "recs.unknown.jsonl").exists() is listed


def test_a_private_file_stays_private(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "recs.csv"
    out.touch()
    out.chmod(0o600)
    assert recommend(finished, out).exit_code == 0
    assert out.stat().st_mode & 0o777 == 0o600
