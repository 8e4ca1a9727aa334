"""Counters of a server in the text format that Prometheus reads; those of several processes are added up."""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence
from datetime import datetime

from adrec_cli.artifacts.nights import PROMOTED, Night

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latency histogram, in seconds."""
STATUSES = (200, 400, 404, 408, 413, 500, 503)
"""What /recommend answers with; anything else counts as 500."""
_COUNTERS = {
    "adrec_batches_total": "Passes of the model.",
    "adrec_batched_requests_total": "Questions in them.",
    "adrec_reloads_total": "Newly promoted models taken.",
    "adrec_reload_failures_total": "Promoted models that could not be taken.",
    "adrec_refused_connections_total": "Connections above the limit, answered with 503.",
    "adrec_late_connections_total": "Connections cut because their client took too long.",
    "adrec_shed_connections_total": "Connections closed as the process had no descriptor left.",
}
_GAUGES = {
    "adrec_waiting_requests": "Questions in the queue.",
    "adrec_open_connections": "Connections.",
    "adrec_stale": "Processes whose model is not the promoted one, which they cannot take.",
}
_OF_NIGHTS = {
    "adrec_night_timestamp_seconds": "When the last night was noted.",
    "adrec_night_promoted": "Whether its model was promoted.",
    "adrec_night_validation": "The metric that its training watched.",
    "adrec_drift_new_users_ratio": "Share of its users that were not there the night before.",
    "adrec_drift_new_items_ratio": "Share of its items that were not there the night before.",
    "adrec_drift_popularity_shift": "Jensen-Shannon divergence of its new events from those before, in bits.",
    "adrec_drift_popularity_shift_by_chance": "What that is on average for as many events of the popularity before.",
    "adrec_drift_validation_change_ratio": "Its validation metric against the mean of the last nights, as a share.",
}
_CELLS = {
    name: number
    for number, name in enumerate(
        [*_COUNTERS, *_GAUGES, "seconds", *map(str, STATUSES), *(f"bucket {n}" for n in range(len(BUCKETS) + 1))]
    )
}
WIDTH = len(_CELLS)
"""Numbers that one process counts in."""


class ServerMetrics:
    """What a server counts; each process writes its own numbers only, from its event loop."""

    def __init__(self, cells: MutableSequence[float] | None = None, worker: int = 0) -> None:
        """Count in memory that other processes see, or in its own.

        Args:
            cells: `WIDTH` numbers for each process; None for a process alone.
            worker: whose numbers to write, from 0.
        """
        self._cells = [0.0] * WIDTH if cells is None else cells
        self._own = worker * WIDTH

    def count(self, name: str, by: float = 1) -> None:
        """Add to a counter."""
        self._cells[self._own + _CELLS[name]] += by

    def gauge(self, name: str, value: float) -> None:
        """Say how much of something there is."""
        self._cells[self._own + _CELLS[name]] = value

    def request(self, status: int, seconds: float) -> None:
        """Count a request to /recommend."""
        self.count(str(status if status in STATUSES else 500))
        self.count("seconds", seconds)
        self.count(f"bucket {sum(bound < seconds for bound in BUCKETS)}")

    def batch(self, size: int) -> None:
        """Count a batch."""
        self.count("adrec_batches_total")
        self.count("adrec_batched_requests_total", size)

    def value(self, name: str) -> float:
        """Return a counter or gauge, of all processes together."""
        return sum(self._cells[at] for at in range(_CELLS[name], len(self._cells), WIDTH))

    def text(self, *, model: str, checkpoint: str, dataset: str, night: Night | None = None) -> str:
        """Return all counters, and what the last night was like. Source: Prometheus exposition format 0.0.4."""
        labels = ",".join(
            f'{name}="{_escape(value)}"'
            for name, value in (("model", model), ("checkpoint", checkpoint), ("dataset", dataset))
        )
        statuses = [(status, int(self.value(str(status)))) for status in STATUSES]
        lines = [
            *_metric("adrec_requests_total", "counter", "Requests to /recommend by status."),
            *(f'adrec_requests_total{{status="{status}"}} {count}' for status, count in statuses if count),
            *_metric("adrec_request_seconds", "histogram", "Time from a request to its answer."),
            *self._histogram(),
        ]
        for kind, named in (("counter", _COUNTERS), ("gauge", _GAUGES)):
            for name, help in named.items():
                lines += [*_metric(name, kind, help), f"{name} {int(self.value(name))}"]
        lines += [
            *_metric("adrec_model_info", "gauge", "The model that answers."),
            f"adrec_model_info{{{labels}}} 1",
            *_expose_night(night),
        ]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> Iterator[str]:
        total = 0
        for number, bound in enumerate((*map(str, BUCKETS), "+Inf")):
            total += int(self.value(f"bucket {number}"))
            yield f'adrec_request_seconds_bucket{{le="{bound}"}} {total}'
        yield f"adrec_request_seconds_sum {self.value('seconds'):.6f}"
        yield f"adrec_request_seconds_count {total}"


def _expose_night(night: Night | None) -> list[str]:
    if night is None:
        return []
    drift = night.drift
    values = {
        "adrec_night_timestamp_seconds": datetime.fromisoformat(night.noted_at).timestamp(),
        "adrec_night_promoted": float(night.outcome == PROMOTED),
        "adrec_night_validation": night.value,
        "adrec_drift_new_users_ratio": drift and drift.new_users,
        "adrec_drift_new_items_ratio": drift and drift.new_items,
        "adrec_drift_popularity_shift": drift and drift.popularity_shift,
        "adrec_drift_popularity_shift_by_chance": drift and drift.expected_shift,
        "adrec_drift_validation_change_ratio": drift and drift.metric_change,
    }
    return [
        line
        for name, value in values.items()
        if value is not None
        for line in (*_metric(name, "gauge", _OF_NIGHTS[name]), f"{name} {value:.10g}")
    ]


def _metric(name: str, kind: str, help: str) -> tuple[str, str]:
    return f"# HELP {name} {help}", f"# TYPE {name} {kind}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
