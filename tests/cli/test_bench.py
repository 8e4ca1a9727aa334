"""`adrec bench` as typed."""

from __future__ import annotations

import json
from dataclasses import replace

from adrec_cli.models.adrec_config import ADRecConfig
from adrec_cli.pipeline import bench as pipeline
from tests.cli.conftest import Adrec


def test_it_prints_a_table_or_one_json_document(workspace, adrec: Adrec, monkeypatch) -> None:
    monkeypatch.setattr(pipeline, "_CALLS", 3)
    monkeypatch.setattr(pipeline, "_MATRIX", 64)
    monkeypatch.setattr(pipeline, "ADRecConfig", lambda: ADRecConfig(hidden_size=16, heads=2, max_length=8))
    stages = {"finetune": replace(pipeline.ADRec.stages["finetune"], epochs=4)}
    monkeypatch.setattr(pipeline.ADRec, "stages", stages)
    monkeypatch.setattr(pipeline, "BenchOptions", lambda **options: Short(**options))
    typed = ["bench", "--dataset", "tiny", "--users", 5, "--workspace", workspace]
    shown = adrec(*typed, "--json")
    assert shown.exit_code == 0, shown.stderr
    assert json.loads(shown.stdout)["dataset"] == "tiny"
    table = adrec(*typed).stdout
    assert [line.split("\t")[0] for line in table.splitlines()][:3] == ["what", "matrix product", "training"]


class Short(pipeline.BenchOptions):
    """Trains for no more than the steps it needs."""

    def __init__(self, **options) -> None:
        super().__init__(**options, training_seconds=0)
