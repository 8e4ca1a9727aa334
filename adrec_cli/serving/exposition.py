"""Counters of a server in the text format that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latency histogram, in seconds."""


class ServerMetrics:
    """What a server counts; touched by its event loop only."""

    def __init__(self) -> None:
        self._requests: Counter[int] = Counter()
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._batches = 0
        self._batched = 0
        self.reloads = 0
        self.reload_failures = 0

    def request(self, status: int, seconds: float) -> None:
        """Count a request to /recommend."""
        self._requests[status] += 1
        self._seconds += seconds
        self._buckets[sum(bound < seconds for bound in BUCKETS)] += 1

    def batch(self, size: int) -> None:
        """Count a batch."""
        self._batches += 1
        self._batched += size

    def text(self, *, model: str, checkpoint: str, dataset: str, waiting: int) -> str:
        """Return all counters. Source: Prometheus exposition format 0.0.4."""
        labels = ",".join(
            f'{name}="{_escaped(value)}"'
            for name, value in (("model", model), ("checkpoint", checkpoint), ("dataset", dataset))
        )
        lines = [
            *_metric("adrec_requests_total", "counter", "Requests to /recommend by status."),
            *(f'adrec_requests_total{{status="{status}"}} {count}' for status, count in sorted(self._requests.items())),
            *_metric("adrec_request_seconds", "histogram", "Time from a request to its answer."),
            *self._histogram(),
            *_metric("adrec_batches_total", "counter", "Passes of the model."),
            f"adrec_batches_total {self._batches}",
            *_metric("adrec_batched_requests_total", "counter", "Requests in them."),
            f"adrec_batched_requests_total {self._batched}",
            *_metric("adrec_waiting_requests", "gauge", "Requests in the queue."),
            f"adrec_waiting_requests {waiting}",
            *_metric("adrec_reloads_total", "counter", "Newly promoted models taken."),
            f"adrec_reloads_total {self.reloads}",
            *_metric("adrec_reload_failures_total", "counter", "Promoted models that could not be taken."),
            f"adrec_reload_failures_total {self.reload_failures}",
            *_metric("adrec_model_info", "gauge", "The model that answers."),
            f"adrec_model_info{{{labels}}} 1",
        ]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> Iterator[str]:
        total = 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self._buckets, strict=True):
            total += count
            yield f'adrec_request_seconds_bucket{{le="{bound}"}} {total}'
        yield f"adrec_request_seconds_sum {self._seconds:.6f}"
        yield f"adrec_request_seconds_count {total}"


def _metric(name: str, kind: str, help: str) -> tuple[str, str]:
    return f"# HELP {name} {help}", f"# TYPE {name} {kind}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
