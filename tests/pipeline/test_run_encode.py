"""The step of a run that turns what is known of items into vectors, where a model wants them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adrec_cli.content import encoding
from adrec_cli.content.encoding import EncodeResult
from adrec_cli.experiments.events import RunStepStarted, SourceRead, Warned
from adrec_cli.pipeline import run
from adrec_cli.pipeline.run import RunStep, _Prepared
from tests.made_up import made_up


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("stale", [True, False])
def test_items_are_encoded_where_a_model_wants_it_and_they_have_changed(
    monkeypatch: pytest.MonkeyPatch, wanted: bool, stale: bool
) -> None:
    done = made_up(EncodeResult, width=12, silent=1234, assumptions=("read as text",), warnings=("all alike",))
    clock, events = [100.0], list[Any]()

    def encode(folder: Path) -> EncodeResult | None:
        assert folder == Path("ws/shop")
        clock[0] += 2.5
        return done if stale else None

    monkeypatch.setattr(run, "wants_content", lambda asked: asked == ("sasrec", "shop") and wanted)
    monkeypatch.setattr(encoding, "encode_if_stale", encode)
    monkeypatch.setattr(run.time, "perf_counter", lambda: clock[0])
    experiment = SimpleNamespace(on_dataset=lambda model, dataset: (model, dataset))
    night = SimpleNamespace(
        options=SimpleNamespace(experiment=experiment), model_name="sasrec", folder=Path("ws/shop"), tell=events.append
    )
    prepared, steps = (
        _Prepared(notes=["a"], warnings=["b"]),
        [RunStep(name="first", status="done", seconds=1, detail="")],
    )
    run._encode(night, prepared, steps)  # type: ignore[arg-type]
    if not wanted:
        assert (len(steps), events) == (1, [])
        return
    detail = "12 entries; of 1,234 items nothing is known" if stale else "as before"
    assert steps[1:] == [RunStep(name="encode", status="done" if stale else "up to date", seconds=2.5, detail=detail)]
    told = [SourceRead(notes=("read as text",)), Warned(message="all alike")] if stale else []
    assert events == [RunStepStarted(name="encode"), *told]
    assert (prepared.notes, prepared.warnings) == (["a", *["read as text"] * stale], ["b", *["all alike"] * stale])
