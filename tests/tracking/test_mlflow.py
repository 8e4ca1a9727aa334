"""MLflow's own client finds what was logged, in a database and in its file store."""

from __future__ import annotations

import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.errors import InterruptedRun
from adrec_cli.tracking.calling import TrackingFailed
from tests.tracking.conftest import Train

pytest.importorskip("sqlalchemy")
# What MLflow warns of is MLflow's.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", name="mlflow")
def _mlflow() -> Any:
    """MLflow, which takes seconds to import."""
    return pytest.importorskip("mlflow")


@pytest.fixture(scope="module")
def database(mlflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow's, which takes ten seconds to make."""
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def place(database: Path, tmp_path: Path) -> str:
    """A database of the test's own."""
    return f"sqlite:///{shutil.copy(database, tmp_path / 'all.db')}"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def read_runs(mlflow: Any, place: str) -> tuple[Any, list[Any]]:
    client = mlflow.MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name("adrec/tiny")
    return client, list(client.search_runs([experiment.experiment_id]))


@pytest.mark.parametrize("store", ["sqlite", "file"])
def test_losses_metrics_and_checkpoint_are_there(
    mlflow: Any, tracked: Train, tmp_path: Path, place: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    place = place if store == "sqlite" else (tmp_path / "mlruns").as_uri()
    events: list[object] = []
    began = time.time()
    result = tracked(f"mlflow:{place}", events=events)
    ended = time.time()
    assert not [event for event in events if isinstance(event, TrackingFailed)]
    client, (run,) = read_runs(mlflow, place)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.hidden_size"] == "8"
    assert run.data.tags["adrec.sequences_sha256"] == result.metadata.sequences_sha256
    assert run.data.tags["adrec.checkpoint_sha256"] == file_sha256(result.path)
    best = result.metadata.metrics["values"]["ndcg@10"]
    assert run.data.metrics["best/ndcg_at_10"] == pytest.approx(best)
    history = client.get_metric_history(run.info.run_id, "valid/ndcg_at_10")
    assert [one.step for one in history] == [1, 2, 3, 4]
    assert max(one.value for one in history) == pytest.approx(best)
    # In milliseconds, a second more or less for how clocks are rounded.
    assert all(began - 1 <= one.timestamp / 1000 <= ended + 1 for one in history)


def test_a_resumed_training_goes_on_in_the_same_run(mlflow: Any, tracked: Train, place: str) -> None:
    with pytest.raises(InterruptedRun):
        tracked(f"mlflow:{place}", stop_after=2)
    client, (run,) = read_runs(mlflow, place)
    assert run.info.status == "KILLED"
    tracked(f"mlflow:{place}", resume="require")
    client, (run,) = read_runs(mlflow, place)
    assert run.info.status == "FINISHED"
    assert [one.step for one in client.get_metric_history(run.info.run_id, "loss/ce")] == [1, 2, 3, 4]
    tracked(f"mlflow:{place}", force=True)
    assert len(read_runs(mlflow, place)[1]) == 2, "another training is another run"


def test_a_server_that_is_not_there_ends_no_training(
    mlflow: Any, tracked: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    events: list[object] = []
    assert tracked("mlflow:http://me:secret@127.0.0.1:9", events=events).path.is_file()
    (failed,) = [event for event in events if isinstance(event, TrackingFailed)]
    assert "secret" not in failed.message


@pytest.mark.parametrize("variables", [{}, {"MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}])
def test_mlflow_waits_less_in_a_training_unless_it_is_told_how_long(
    mlflow: Any, tracked: Train, place: str, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    seen = []
    log_batch = mlflow.MlflowClient.log_batch

    def look(*given: Any, **named: Any) -> Any:
        seen.append((MLFLOW_HTTP_REQUEST_TIMEOUT.get(), MLFLOW_HTTP_REQUEST_MAX_RETRIES.get()))
        return log_batch(*given, **named)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", look)
    tracked(f"mlflow:{place}")
    assert set(seen) == {(int(variables.get("MLFLOW_HTTP_REQUEST_TIMEOUT", 10)), 3)}
    assert len(seen) > 4, "where it begins, and with the epochs"
    assert dict(os.environ) == before


def test_a_server_that_never_answers_ends_no_training(
    mlflow: Any, tracked: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    events: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert tracked(f"mlflow:http://127.0.0.1:{silent.getsockname()[1]}", events=events).path.is_file()
    assert time.monotonic() - began < 60, "it is asked once, not by every stage and epoch"
    assert len([event for event in events if isinstance(event, TrackingFailed)]) == 1
