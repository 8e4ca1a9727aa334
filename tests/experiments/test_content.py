"""The content of items in a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.artifacts.item_vectors import ids_sha256
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.loading import opening
from adrec_cli.pipeline.encode import encode
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from adrec_cli.pipeline.train import train
from tests.conftest import TINY
from tests.pipeline.test_new_items import CATEGORIES, ONE_THREAD, write_groups


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
