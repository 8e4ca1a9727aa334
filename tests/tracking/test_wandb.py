"""What Weights & Biases wrote offline holds what was logged."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.errors import InterruptedRun
from adrec_cli.tracking.calling import TrackingFailed
from tests.tracking.conftest import Train

# What W&B warns of is W&B's.
pytestmark = pytest.mark.filterwarnings("ignore")
Written = Callable[[], list[Path]]
_BLOCK, _HEADER, _FILE_HEADER = 32768, 7, 7


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where W&B writes to in this process: it reads its variables once."""
    pytest.importorskip("wandb")
    folder = tmp_path_factory.mktemp("offline")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(folder)}.items():
            patch.setenv(name, value)
        for name in ("CONFIG", "CACHE", "DATA"):
            patch.setenv(f"WANDB_{name}_DIR", str(folder / name))
        # A loaded machine takes its time to start the service that W&B logs through, which has 30 seconds by itself.
        patch.setenv("WANDB_X_SERVICE_WAIT", "120")
        patch.delenv("WANDB_PROJECT", raising=False)
        yield folder


@pytest.fixture(name="written")
def _list_written(offline: Path) -> Written:
    """Return the files that the test wrote, oldest first."""
    before = set(offline.rglob("run-*.wandb"))
    return lambda: sorted(set(offline.rglob("run-*.wandb")) - before, key=lambda path: path.stat().st_mtime_ns)


def read_records(path: Path) -> Iterator[Any]:
    """Read a file of W&B: LevelDB's log of records behind a header, each record one of its own protocol buffers."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, parts = path.read_bytes(), _FILE_HEADER, b""
    while at + _HEADER <= len(content):
        if _BLOCK - at % _BLOCK < _HEADER:
            at += _BLOCK - at % _BLOCK
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        parts += content[at + _HEADER : at + _HEADER + length]
        at += _HEADER + length
        # Whole, or the last part of one.
        if kind in (1, 4):
            yield Record.FromString(parts)
            parts = b""


def read_values(records: list[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows of the history, and the last value of everything in the summary."""

    def key_of(item: Any) -> str:
        return item.key or "/".join(item.nested_key)

    rows, summary = [], {}
    for record in records:
        if record.WhichOneof("record_type") == "history":
            rows.append({key_of(item): json.loads(item.value_json) for item in record.history.item})
        elif record.WhichOneof("record_type") == "summary":
            summary |= {key_of(item): json.loads(item.value_json) for item in record.summary.update}
    return rows, summary


def test_losses_metrics_and_checkpoint_are_there(tracked: Train, written: Written) -> None:
    events: list[object] = []
    result = tracked("wandb:shops", events=events)
    assert not [event for event in events if isinstance(event, TrackingFailed)]
    (path,) = written()
    records = list(read_records(path))
    run = next(record.run for record in records if record.WhichOneof("record_type") == "run")
    assert (run.project, run.run_group, run.job_type) == ("shops", "tiny/sasrec", "train")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["model"]["hidden_size"] == 8
    assert config["facts"]["sequences_sha256"] == result.metadata.sequences_sha256
    rows, summary = read_values(records)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    best = result.metadata.metrics["values"]["ndcg@10"]
    assert max(row["valid/ndcg@10"] for row in rows) == pytest.approx(best)
    assert summary["checkpoint_sha256"] == file_sha256(result.path)
    assert summary["best/ndcg@10"] == pytest.approx(best)


def test_a_resumed_training_goes_on_in_the_same_run(tracked: Train, written: Written) -> None:
    events: list[object] = []
    with pytest.raises(InterruptedRun):
        tracked("wandb", stop_after=2, events=events)
    # W&B names folders by the second.
    time.sleep(1)
    tracked("wandb", resume="require", events=events)
    assert not [event for event in events if isinstance(event, TrackingFailed)]
    found = written()
    assert len({path.name for path in found}) == 1, "`wandb sync` puts what has one id into one run"
    records = [record for path in found for record in read_records(path)]
    assert [row["epoch"] for row in read_values(records)[0]] == [1, 2, 3, 4]
