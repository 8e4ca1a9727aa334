"""MLflow: a run for each training, in the experiment of its data set."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from adrec_cli.tracking.figures import flatten, list_figures
from adrec_cli.tracking.tracked import StageEnded, TrackedTraining, hide_password
from adrec_cli.training.events import EpochDone, TrainingWarning

_ID: Final = "adrec.training"
"""The tag by which a training that is resumed finds its run."""
_STATUS: Final = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
_MOST_PARAMS: Final = 100
"""In one request."""
_LONGEST: Final = 5000
"""Characters of a value."""
_PATIENCE: Final = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3"}
"""How long a training waits for a server, in seconds for each try, unless the user's own variables say it."""


@contextlib.contextmanager
def _less_patience() -> Iterator[None]:
    """Have MLflow, which would wait for a server for minutes, give up after less than one.

    Its variables, which it reads with each request, are what it offers; those that are set stay, and none is left set.
    """
    ours = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


class MLflow:
    """Logs to the place, a tracking URI; without one, where MLflow itself would, such as $MLFLOW_TRACKING_URI."""

    @_less_patience()
    def __init__(self, training: TrackedTraining) -> None:
        uri = training.place or mlflow.get_tracking_uri()
        self._client = MlflowClient(tracking_uri=uri)
        experiment = self._open_experiment(f"adrec/{training.metadata.dataset}")
        self._run = self._find_run(experiment, training) or self._create_run(experiment, training)
        self._client.update_run(self._run, status="RUNNING")
        self.where = f"{hide_password(uri)}, run {self._run}"

    @_less_patience()
    def __call__(self, event: object) -> None:
        """Log one event."""
        match event:
            case EpochDone():
                self._log(list_figures(event), event.epoch)
            case TrainingWarning():
                self._tag({"warning": event.message})
            case StageEnded():
                self._end(event)

    def _end(self, event: StageEnded) -> None:
        if event.metadata is None:
            self._tag({"reason": event.reason})
        else:
            self._tag({"checkpoint_sha256": event.sha256})
            best = {f"best/{name}": value for name, value in event.metadata.metrics["values"].items()}
            self._log(best, event.metadata.epoch)
        self._client.set_terminated(self._run, status=_STATUS[event.outcome])

    def _open_experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:
                # Another process may have made it meanwhile.
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _find_run(self, experiment: str, training: TrackedTraining) -> str | None:
        """Return the run that a training had before it was stopped; None where it is new, or was not tracked then."""
        if training.resumed_epoch is None:
            return None
        runs = self._client.search_runs([experiment], filter_string=f"tags.`{_ID}` = '{training.id}'", max_results=1)
        return str(runs[0].info.run_id) if runs else None

    def _create_run(self, experiment: str, training: TrackedTraining) -> str:
        name = f"{training.metadata.model} {training.name}"
        run = self._client.create_run(experiment, run_name=name, tags={_ID: training.id})
        self._run = str(run.info.run_id)
        params = [Param(_spell(key), str(value)[:_LONGEST]) for key, value in flatten(training.options).items()]
        for first in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(self._run, params=params[first : first + _MOST_PARAMS])
        self._tag(flatten(training.facts))
        return self._run

    def _tag(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self._client.set_tag(self._run, _spell(f"adrec.{name}"), str(value)[:_LONGEST])

    def _log(self, values: Mapping[str, float], step: int) -> None:
        now = time.time_ns() // 1_000_000
        metrics = [Metric(_spell(name), float(value), now, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)


def _spell(name: str) -> str:
    """Return a name in the characters that MLflow allows: "valid/ndcg@10" is "valid/ndcg_at_10"."""
    return re.sub(r"[^\w\-. :/]", "_", name.replace("@", "_at_"), flags=re.ASCII)
