"""The content of items in a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.artifacts.item_vectors import ids_sha256, read_item_vectors
from adrec_cli.content.options import EncodeOptions
from adrec_cli.errors import UsageError
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.loading import opening
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train
from tests.conftest import TINY
from tests.pipeline.test_new_items import CATEGORIES, ONE_THREAD, QUICK, write_groups
from tests.robustness.processes import typed_here

SMALL = {name: TINY["model"][name] for name in ("hidden_size", "max_length", "heads")}


def test_ids_are_hashed_once_for_all_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events, file = write_groups(tmp_path, 40)
    preprocess(str(events), workspace=tmp_path / "ws", options=PreprocessOptions(items=file))
    encode("shop", workspace=tmp_path / "ws", options=CATEGORIES)
    hashed: list[int] = []

    def hash_and_note(ids: list[str]) -> str:
        hashed.append(len(ids))
        return ids_sha256(ids)

    monkeypatch.setattr(opening, "ids_sha256", hash_and_note)
    tables = {**TINY, "model": {**TINY["model"], "content": "sum"},
              "stages": {"align": {"epochs": 1, "embedding_decay": 0}, "pretrain": {"epochs": 1},
                         "finetune": {"epochs": 1}}}  # fmt: skip
    stages = train("shop", workspace=tmp_path / "ws", work=ONE_THREAD, experiment=ExperimentOptions(overrides=tables))
    assert [len(stages), hashed] == [3, [40]]


def test_vectors_of_events_that_are_held_out_now_are_refused(tmp_path: Path) -> None:
    """The items are the same, but what an encoder of train events has read is not train any longer."""
    pytest.importorskip("sklearn", reason="the extra text is not installed")
    events, file = write_groups(tmp_path, 40)
    pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(40)], "vector": [[float(n), 1.0] for n in range(40)]}
    ).write_parquet(tmp_path / "clip.parquet")
    preprocess(str(events), workspace=tmp_path / "ws", options=PreprocessOptions(items=file))
    encoders = EncodeOptions(
        encoders=("cooccurrence", *CATEGORIES.encoders), vectors=(tmp_path / "clip.parquet",), width=4
    )
    encode("shop", workspace=tmp_path / "ws", options=encoders)
    split = ["--split", "time", "--valid-from", "2020-09-13T16:00:00Z", "--test-from", "2020-09-13T18:00:00Z"]
    line = ["preprocess", events, "--items", file, *split, "--force", "--workspace", tmp_path / "ws"]
    assert typed_here(line).exit_code == 0
    line = ["train", "--model", "sasrec", "--set", "model.content=sum", *QUICK, "--workspace", tmp_path / "ws"]
    done = typed_here(line)
    assert "of other events than it has now" in done.require_one_error(4)
    again = done.stderr.split("encode them again: ")[1].split()
    assert typed_here([*again[1:], "--workspace", tmp_path / "ws"]).exit_code == 0
    assert typed_here(line).exit_code == 0
    made = read_item_vectors(tmp_path / "ws/shop")
    assert [(one.name, one.width) for one in made.encoders] == [("cooccurrence", 4), ("categories", 4), ("vectors", 2)]


def test_vectors_of_fewer_events_are_refused_with_both_ways_to_encode_them(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the extra text is not installed")
    events, file = write_groups(tmp_path, 40)
    preprocess(str(events), workspace=tmp_path / "ws", options=PreprocessOptions(items=file))
    encode("shop", workspace=tmp_path / "ws", options=EncodeOptions(encoders=("cooccurrence",), width=4))
    before = read_item_vectors(tmp_path / "ws/shop")
    pl.DataFrame({"user_id": ["u1"], "item_id": ["i3"], "timestamp": [2 * 10**9]}).write_csv(tmp_path / "more.csv")
    more = PreprocessOptions(update=tmp_path / "ws/shop")
    preprocess(str(tmp_path / "more.csv"), workspace=tmp_path / "ws", options=more)
    line = ["train", "--model", "sasrec", "--set", "model.content=sum", *QUICK, "--workspace", tmp_path / "ws"]
    done = typed_here(line)
    assert done.require_one_error(4).endswith("of other events than it has now")
    hint = done.stderr.split("encode them as before: ")[1]
    for typed, same in zip(
        hint.split("; or fit their encoders to the events there are now: "), (True, False), strict=True
    ):
        assert typed_here([*typed.split()[1:], "--workspace", tmp_path / "ws"]).exit_code == 0
        made = read_item_vectors(tmp_path / "ws/shop")
        assert (made.encoders_sha256 == before.encoders_sha256) is same
        assert made.vectors_VC.shape == (40, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"embedding_optimizer": "sparse_adam"}, "embedding_optimizer"),
        ({"shard_items": True, "embedding_optimizer": "sparse_adam"}, "shard_items"),
    ],
)
def test_rows_of_vectors_that_are_computed_cannot_be_trained_one_by_one(
    options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """It is refused before anything is trained, and named with what to leave out."""
    events, file = write_groups(tmp_path, 40)
    preprocess(str(events), workspace=tmp_path / "ws", options=PreprocessOptions(items=file))
    encode("shop", workspace=tmp_path / "ws", options=CATEGORIES)
    tables = {"model": {**SMALL, "content": "sum"}, "training": options,
              "stages": {"train": {"ranking_loss": "sampled_softmax"}}}  # fmt: skip
    with pytest.raises(UsageError, match=said):
        train("shop", model_name="sasrec", workspace=tmp_path / "ws", work=ONE_THREAD,
              experiment=ExperimentOptions(overrides=tables))  # fmt: skip
    assert not list((tmp_path / "ws/shop").glob("sasrec/*.safetensors"))
