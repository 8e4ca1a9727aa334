"""`adrec verify` finds what is damaged or out of date and says what to type; `adrec clean` removes only what it may."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint, save_checkpoint, save_state
from adrec_cli.artifacts.lock import exclusive
from tests.conftest import write_interactions
from tests.robustness.processes import TINY, artifacts, typed_here


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


def test_what_it_says_repairs(workspace, csv):
    (workspace / "shop/items.parquet").write_bytes(b"")
    repair = verdicts(workspace, code=4)["shop/manifest.json"]["repair"]
    assert "adrec preprocess shop --force" in repair
    assert typed_here(["preprocess", csv, "--force", "--workspace", workspace]).exit_code == 0
    verdicts(workspace)


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
    assert found["shop/adrec/pretrain.safetensors"]["repair"] == "adrec train shop --model adrec"
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
