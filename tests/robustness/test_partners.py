"""A checkpoint of another data set, model, stage, configuration or format is refused by name, even if all fits."""

from __future__ import annotations

import dataclasses
import re
import shutil

import pytest

from adrec_cli.artifacts.checkpoint import load_checkpoint, save_checkpoint
from tests.conftest import write_interactions
from tests.robustness.processes import TINY, typed_here


@pytest.fixture
def twins(workspace, tmp_path):
    """A workspace with a second data set, `twin`, of as many users and items, so that every shape fits."""
    write_interactions(tmp_path / "twin.csv", users=40, items=15, seed=8)
    head, *rows = (tmp_path / "twin.csv").read_text().splitlines()
    (tmp_path / "twin.csv").write_text("\n".join([head, *(row.replace(",i", ",j") for row in rows)]))
    assert typed_here(["preprocess", tmp_path / "twin.csv", "--workspace", workspace]).exit_code == 0
    shutil.copytree(workspace / "shop/adrec", workspace / "twin/adrec")
    return workspace


@pytest.mark.parametrize(
    "line",
    [
        ["evaluate", "finetune", "--dataset", "twin"],
        ["align", "--from", "pretrain", "--dataset", "twin"],
        ["recommend", "--user", "u1", "--dataset", "twin", "--model", "finetune"],
    ],
)
def test_another_data_set(twins, line):
    message = typed_here([*line, "--workspace", twins]).require_one_error(4)
    assert "'shop'" in message
    assert "'twin'" in message


def rewritten(workspace, name, **changes):
    """Write a checkpoint that says something else of itself, with a checksum that is right."""
    path = workspace / f"shop/adrec/{name}.safetensors"
    tensors, metadata = load_checkpoint(path)
    save_checkpoint(path, tensors, dataclasses.replace(metadata, **changes))
    return path


@pytest.mark.parametrize(
    ("changes", "line", "named"),
    [
        ({"model": "sasrec"}, ["align", "--from", "pretrain"], "sasrec"),
        ({"model": "nothing"}, ["evaluate", "pretrain"], "nothing"),
        ({"stage": "align"}, ["align", "--from", "pretrain"], "align"),
        ({"stage": "finetune"}, ["align", "--from", "pretrain"], "finetune"),
        ({"format_version": 2}, ["evaluate", "pretrain"], "format version 2"),
        ({"format_version": 0}, ["align", "--from", "pretrain"], "format version 0"),
        ({"items_sha256": "0" * 64}, ["evaluate", "pretrain"], "000000000000"),
        ({"item_count": 14}, ["evaluate", "pretrain"], "14 items"),
        ({"item_count": 10**12}, ["evaluate", "pretrain"], "1,000,000,000,000 items"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_checkpoint_says_of_itself(workspace, changes, line, named):
    path = rewritten(workspace, "pretrain", **changes)
    message = typed_here([*line, "--workspace", workspace]).require_one_error(4)
    assert str(path) in message
    assert named in message


@pytest.mark.parametrize("change", [{"hidden_size": 16}, {"cam_blocks": 2}, {"lambda": "much"}, {"unknown": 1}])
def test_another_configuration(workspace, change):
    path = workspace / "shop/adrec/finetune.safetensors"
    config = load_checkpoint(path)[1].config
    rewritten(workspace, "finetune", config={**config, **change})
    assert str(path) in typed_here(["evaluate", "finetune", "--workspace", workspace]).require_one_error(4)


@pytest.mark.parametrize("file_name", ["manifest.json", "adrec/current.json"])
def test_another_format_version_of_the_other_files(workspace, file_name):
    path = workspace / "shop" / file_name
    changed, count = re.subn(r'"format_version": \d+', '"format_version": 77', path.read_text())
    assert count == 1
    path.write_text(changed)
    message = typed_here(["recommend", "--user", "u1", "--workspace", workspace]).require_one_error(4)
    assert str(path) in message


def test_a_state_of_other_options_is_not_gone_on_from(workspace):
    path = workspace / "shop/adrec/pretrain.safetensors"
    tensors, metadata = load_checkpoint(path)
    save_checkpoint(path.with_name("pretrain.state.safetensors"), tensors, metadata)
    line = ["pretrain", "shop", *TINY, "--seed", 77, "--workspace", workspace]
    message = typed_here([*line, "--resume"]).require_one_error(4)
    assert "pretrain.state.safetensors" in message
    assert typed_here(line).exit_code == 0
