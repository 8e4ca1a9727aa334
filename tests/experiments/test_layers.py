"""What an experiment is made of lies in layers: what is inherited, a preset, a file of options, flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.experiments.experiment import compose


def test_a_file_may_name_a_preset_and_a_flag_stands_above_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('preset = "own"\n[training]\nbatch_size = 17\n')
    by_flag, by_file, paper = (
        compose("adrec", preset="own"),
        compose("adrec", config=tmp_path / "mine.toml"),
        compose("adrec"),
    )
    assert by_flag.stages == by_file.stages != paper.stages
    assert by_file.training.batch_size == 17 != by_flag.training.batch_size
    other = compose("adrec", preset="paper", config=tmp_path / "mine.toml")
    assert other.stages == compose("adrec", preset="paper").stages
    assert other.training.batch_size == 17


@pytest.mark.parametrize("model", ["adrec", "sasrec", "dreamrec"])
@pytest.mark.parametrize("content", ["none", "init", "sum"])
def test_decay_of_a_table_is_left_out_only_where_item_vectors_are_computed(model: str, content: str) -> None:
    decaying = {"stages": {name: {"embedding_decay": 0.5} for name in compose(model).stages}}
    vectors = {"model": {"content": content, "content_width": 0 if content == "none" else 4}}
    inherited = compose(model, inherited=decaying, overrides=vectors)
    computed = content == "sum"
    assert {stage.embedding_decay for stage in inherited.stages.values()} == {0.0 if computed else 0.5}
    assert bool(inherited.left_out) == computed
