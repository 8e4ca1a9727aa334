"""`adrec verify` finds what is damaged or out of date and says what to type; `adrec clean` removes only what it may."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import shutil

import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint, save_checkpoint, save_state
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.errors import ArtifactError
from adrec_cli.pipeline import verify
from adrec_cli.pipeline.clean import _removable
from tests.conftest import write_interactions
from tests.damage import overwrite
from tests.robustness.processes import TINY, artifacts, typed_here
from tests.tiers import sampled


def verdicts(workspace, *arguments, code=0):
    done = typed_here(["verify", workspace, "--json", *arguments])
    assert done.exit_code == code, done.stderr
    found = json.loads(done.stdout)
    assert found["whole"] is (code == 0)
    return {one["path"]: one for one in found["verdicts"]}


def test_a_finished_workspace_is_whole_and_stays_as_it_is(workspace, csv):
    before = artifacts(workspace)
    found = verdicts(workspace, "--raw", csv.parent)
    assert {one["status"] for one in found.values()} == {"whole"}
    names = {
        "shop/manifest.json", "shop/adrec/pretrain.safetensors", "shop/adrec/align.safetensors",
        "shop/adrec/finetune.safetensors", "shop/adrec/current.json", str(csv),
    }  # fmt: skip
    assert names <= set(found)
    assert artifacts(workspace) == before


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json", "sequences.parquet", "items.parquet", "adrec/align.safetensors", "adrec/current.json",
        "adrec/promoted", "reports/mostpop-loo-full-test.json", "reports/mostpop-loo-full-test.ranks.parquet",
    ],
)  # fmt: skip
def test_one_flipped_byte_is_found_and_named(workspace, name):
    path = workspace / "shop" / name
    if path.is_dir():
        path = next(path.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[2] ^= 0x40
    path.write_bytes(content)
    damaged = [one for one in verdicts(workspace, code=4).values() if one["status"] == "damaged"]
    assert len(damaged) == 1
    assert path.name in damaged[0]["detail"]
    assert damaged[0]["repair"]


def type_commands(said, **known):
    """Type every command of a sentence as it stands, with what a word in capitals is known to be."""
    found = re.findall(r"\badrec (.*?)(?=, or |$)", said)
    for line in found:
        done = typed_here([known.get(word, word) for word in shlex.split(line)])
        assert done.exit_code == 0, (line, done.stderr)
    assert found, said


DATA = ("items.parquet", "sequences.parquet", "manifest.json")


@sampled("name", DATA, quick=["items.parquet"])
@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x")], ids=["gone", "x"])
@pytest.mark.parametrize("grown", [False, True], ids=["one file", "grown"])
def test_what_it_says_repairs(workspace, csv, tmp_path, name, damage, grown):
    """Typed as it stands, from anywhere."""
    if grown:
        more = tmp_path / "more.csv"
        write_interactions(more, users=45, items=15, seed=4)
        done = typed_here(["preprocess", more, "--update", "shop", "--workspace", workspace])
        assert done.exit_code == 0, done.stderr
    damage(workspace / "shop" / name)
    repair = next(one for one in verdicts(workspace, code=4).values() if one["status"] == "damaged")["repair"]
    type_commands(repair.partition(", or make it again")[0], SOURCE=csv)
    assert not [one for one in verdicts(workspace).values() if one["status"] == "damaged"]


def test_what_a_killed_change_left_is_cleaned_as_it_says(workspace):
    (workspace / "shop/.items.parquet.next").write_bytes(b"x")
    said = verdicts(workspace)["shop/manifest.json"]
    assert "killed" in said["detail"]
    # It asks on a terminal.
    type_commands(f"{said['repair']} --yes")
    assert verdicts(workspace)["shop/manifest.json"]["status"] == "whole"


def test_lineage(workspace, csv, tmp_path):
    assert typed_here(["pretrain", "shop", *TINY, "--seed", "5", "--workspace", workspace]).exit_code == 0
    found = verdicts(workspace)
    assert found["shop/adrec/align.safetensors"]["status"] == "out of date"
    assert "started from" in found["shop/adrec/align.safetensors"]["detail"]
    assert found["shop/adrec/finetune.safetensors"]["status"] == "whole"
    newer = tmp_path / "newer" / "shop.csv"
    newer.parent.mkdir()
    write_interactions(newer, users=45, items=15, seed=4)
    assert "changed" in verdicts(workspace, "--raw", newer.parent)[str(newer)]["detail"]
    assert typed_here(["preprocess", newer, "--workspace", workspace]).exit_code == 0
    found = verdicts(workspace)
    again = found["shop/adrec/pretrain.safetensors"]["repair"]
    assert again == f"adrec train shop --model adrec --workspace {workspace}"
    assert found["shop/reports/adrec-finetune-loo-full-test.json"]["status"] == "out of date"


def test_the_report_of_a_promotion_is_no_evaluation(workspace):
    (workspace / "shop/reports/adrec-promotion.json").write_text("{}")
    assert "shop/reports/adrec-promotion.json" not in verdicts(workspace)


def test_weights_that_are_not_finite_are_found(workspace):
    path = workspace / "shop/adrec/pretrain.safetensors"
    tensors, metadata = load_checkpoint(path)
    tensors["input_norm.weight"][0] = float("nan")
    save_checkpoint(path, tensors, metadata)
    assert "not finite" in verdicts(workspace, code=4)["shop/adrec/pretrain.safetensors"]["detail"]


def litter(workspace):
    """Put into a workspace what killed runs leave; return the paths that may go."""
    folder = workspace / "shop"
    key = load_checkpoint(folder / "adrec/align.safetensors")[1].run_key
    save_state(folder / "adrec/align.state.safetensors", {"w": torch.ones(2)}, {"run_key": key})
    save_state(folder / "adrec/finetune.state.safetensors", {"w": torch.ones(2)}, {"run_key": "another"})
    shutil.copy(folder / "adrec/align.safetensors", folder / "adrec/promoted/0123456789abcdef.safetensors")
    (folder / "adrec/.pretrain.safetensors.77777.tmp").write_bytes(b"x" * 10)
    (folder / ".sequences.parquet.next").write_bytes(b"x")
    (folder / ".scratch/adrec-x").mkdir(parents=True)
    return {
        "adrec/align.state.safetensors", "adrec/promoted/0123456789abcdef.safetensors",
        "adrec/.pretrain.safetensors.77777.tmp", ".sequences.parquet.next", ".scratch",
    }  # fmt: skip


def test_clean_removes_what_nothing_refers_to_and_only_that(workspace):
    before = artifacts(workspace)
    expected = litter(workspace)
    listed = json.loads(typed_here(["clean", "--dry-run", "--json", "--workspace", workspace]).stdout)
    assert {one["path"] for one in listed["found"]} == {str(workspace / "shop" / name) for name in expected}
    assert all((workspace / "shop" / name).exists() for name in expected)
    assert "--yes" in typed_here(["clean", "--workspace", workspace]).stderr
    assert all((workspace / "shop" / name).exists() for name in expected)
    assert typed_here(["clean", "--yes", "--workspace", workspace]).exit_code == 0
    unfinished = workspace / "shop/adrec/finetune.state.safetensors"
    assert unfinished.exists()
    unfinished.unlink()
    assert artifacts(workspace) == before
    again = typed_here(["clean", "--yes", "--workspace", workspace])
    assert "nothing to remove" in again.stderr


def test_clean_leaves_alone_where_another_run_works(workspace):
    litter(workspace)
    with exclusive(workspace / "shop" / "adrec", "train shop"):
        state = workspace / "shop/adrec/align.state.safetensors"
        done = typed_here(["clean", "--yes", "--workspace", workspace])
        assert done.exit_code == 0
        assert f"{state} stays" in done.stderr
        assert state.exists()
    assert not (workspace / "shop/.scratch").exists()


@pytest.mark.parametrize("command", ["verify", "clean"])
def test_a_workspace_that_is_missing(tmp_path, command):
    assert "does not exist" in typed_here([command, "--workspace", tmp_path / "none"]).require_one_error(4)


def test_a_model_that_started_from_a_promoted_one(workspace, tmp_path):
    """checkpoint -> stage before -> promoted model -> data -> source; one that is kept no longer is no damage."""
    newer = tmp_path / "newer" / "shop.csv"
    newer.parent.mkdir()
    write_interactions(newer, users=45, items=15, seed=4)
    line = ["run", newer, *TINY, "--workspace", workspace, "--tolerance", "1"]
    assert typed_here(line).exit_code == 0
    folder = workspace / "shop/adrec"
    parent = load_checkpoint(folder / "pretrain.safetensors")[1].parent_sha256
    promoted = folder / "promoted" / f"{parent[:16]}.safetensors"
    assert promoted.exists()
    assert {one["status"] for one in verdicts(workspace, "--raw", newer.parent).values()} == {"whole"}
    tensors, metadata = load_checkpoint(folder / "pretrain.safetensors")
    save_checkpoint(folder / "pretrain.safetensors", tensors, dataclasses.replace(metadata, parent_sha256="0" * 64))
    found = verdicts(workspace)["shop/adrec/pretrain.safetensors"]
    assert found["status"] == "whole"
    assert "kept no longer" in found["detail"]


@pytest.fixture(scope="module")
def swept(finished, tmp_path_factory):
    """A workspace in which a sweep has been."""
    workspace = tmp_path_factory.mktemp("swept") / "workspace"
    shutil.copytree(finished, workspace)
    line = ["sweep", "shop", *TINY, "--vary", "model.lambda=0.01", "--name", "try", "--epochs", "1", "-w", workspace]
    done = typed_here(line)
    assert done.exit_code == 0, done.stderr
    return workspace


def test_sweeps_are_verified(swept, tmp_path):
    workspace = tmp_path / "workspace"
    shutil.copytree(swept, workspace)
    sweep = workspace / "shop/sweeps/try"
    found = verdicts(workspace)
    assert {one["status"] for one in found.values()} == {"whole"}
    files = [next(sweep.glob(f"stages/*/{name}")) for name in ("finetune.safetensors", "measured-*.json")]
    for path in (*files, sweep / "sweep.json", sweep / "results.parquet"):
        # The hash of the results stands in the other file.
        name = str((sweep / "sweep.json" if path.suffix == ".parquet" else path).relative_to(workspace))
        assert name in found
        content = path.read_bytes()
        for damaged in (content[:-40], content[:30] + bytes([content[30] ^ 1]) + content[31:]):
            overwrite(path, damaged)
            verdict = verdicts(workspace, code=4)[name]
            assert verdict["status"] == "damaged"
            assert path.name in verdict["detail"]
        path.write_bytes(content)


def test_what_was_measured_and_is_damaged_is_measured_again(swept, tmp_path):
    workspace = tmp_path / "workspace"
    shutil.copytree(swept, workspace)
    line = ["sweep", "shop", *TINY, "--vary", "model.lambda=0.01", "--name", "try", "--epochs", "1", "-w", workspace]
    path = next(workspace.glob("shop/sweeps/try/stages/*/measured-*.json"))
    whole = json.loads(path.read_text())
    path.write_text(path.read_text().replace('"users": 40', '"users": 41'))
    assert json.loads(path.read_text()) != whole
    assert typed_here(line).exit_code == 0
    again = json.loads(path.read_text())
    assert again["users"] == whole["users"]


def test_clean_knows_sweeps_and_ranks_and_leaves_other_folders_alone(swept, tmp_path):
    workspace = tmp_path / "workspace"
    shutil.copytree(swept, workspace)
    stage = next(workspace.glob("shop/sweeps/try/stages/adrec-align-*"))
    key = load_checkpoint(stage / "align.safetensors")[1].run_key
    save_state(stage / "align.state.safetensors", {"w": torch.ones(2)}, {"run_key": key})
    (stage / ".align.safetensors.77777.tmp").write_bytes(b"x")
    reports = workspace / "shop/reports"
    report = reports / "adrec-finetune-loo-full-test.json"
    ranks = report.with_name("adrec-finetune-loo-full-test.ranks.parquet")
    # A run that was killed behind its report, and one that was killed before.
    needed = reports / f".adrec-finetune-loo-full-test.{json.loads(report.read_text())['ranks_sha256'][:16]}.ranks-next"
    ranks.rename(needed)
    (reports / ".other.0123456789abcdef.ranks-next").write_bytes(b"x")
    (reports / "gone.ranks.parquet").write_bytes(b"x")
    notes = workspace / "notes" / "deep"
    notes.mkdir(parents=True)
    for place in (notes, notes.parent):
        (place / ".mine.1.tmp").write_bytes(b"x")
    listed = json.loads(typed_here(["clean", "--dry-run", "--json", "--workspace", workspace]).stdout)
    expected = {
        stage / "align.state.safetensors", stage / ".align.safetensors.77777.tmp",
        reports / ".other.0123456789abcdef.ranks-next", reports / "gone.ranks.parquet",
    }  # fmt: skip
    assert {one["path"] for one in listed["found"]} == {str(path) for path in expected}
    assert typed_here(["clean", "--yes", "--workspace", workspace]).exit_code == 0
    assert not any(path.exists() for path in expected)
    assert needed.exists()
    assert (notes / ".mine.1.tmp").exists()
    assert "damaged" not in {one["status"] for one in verdicts(workspace).values()}


def test_what_another_run_removes_meanwhile_is_passed_over(tmp_path):
    """Looking takes no lock, so that a folder may go between being found and being measured."""
    gone, here = tmp_path / "generations/000001", tmp_path / "generations/000002"
    here.mkdir(parents=True)
    (here / "manifest.json").write_text("{}")
    assert list(_removable(gone, tmp_path, "kept no longer")) == []
    (found,) = _removable(here, tmp_path, "kept no longer")
    assert (found.path, found.size) == (here, 2)


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("current.json", "replace", ["whole"]),
        ("pretrain.safetensors", "replace", ["whole"]),
        ("pretrain.safetensors", "remove", []),
        ("pretrain.safetensors", "damage", ["damaged"]),
    ],
)
def test_what_a_run_changes_meanwhile_is_checked_again(workspace, monkeypatch, name, change, expected):
    """The first check of the file fails as it does on what is half there; the file has changed by then, or not."""
    path = workspace / "shop/adrec" / name
    whole, tries = path.read_bytes(), []

    def failing_once(check):
        def checked(self, inner):
            if inner == path and not tries:
                tries.append(change)
                path.unlink()
                if change != "remove":
                    path.write_bytes(whole if change == "replace" else b"")
                raise ArtifactError(f"{inner} cannot be")
            return check(self, inner)

        return checked

    for method in ("_current", "_checkpoint"):
        monkeypatch.setattr(verify._Dataset, method, failing_once(getattr(verify._Dataset, method)))
    found = [one.status for one in verify.verify(workspace).verdicts if one.path == f"shop/adrec/{name}"]
    assert (found, len(tries)) == (expected, 1)


def test_what_fails_and_does_not_change_is_damaged_at_once(workspace, monkeypatch):
    tries = []

    def check(self, path):
        tries.append(path)
        raise ArtifactError("it cannot be")

    monkeypatch.setattr(verify._Dataset, "_current", check)
    damaged = [(one.path, one.detail) for one in verify.verify(workspace).damaged]
    assert (damaged, len(tries)) == ([("shop/adrec/current.json", "it cannot be")], 1)
