"""Counters of a server in the text format that Prometheus reads; those of several processes are added up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from datetime import datetime

from adrec_cli.artifacts.nights import PROMOTED, Night
from adrec_cli.errors import UsageError

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
_SHOPS = "adrec_shop_served", "Whether the shop has a model that answers, in the process that tells."
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
        [
            "shop",
            *_COUNTERS,
            *_GAUGES,
            "seconds",
            *map(str, STATUSES),
            *(f"bucket {n}" for n in range(len(BUCKETS) + 1)),
        ]
    )
}
_ROW = len(_CELLS)
MOST_SHOPS = 256
"""That one server has counters for, each time it is started."""
WIDTH = _ROW * (1 + MOST_SHOPS)
"""Numbers that one process counts in: a row of its own, and one for each shop."""


class ServerMetrics:
    """What a server counts; each process writes its own numbers only, from its event loop."""

    def __init__(self, cells: MutableSequence[float] | None = None, worker: int = 0, shop: str = "") -> None:
        """Count in memory that other processes see, or in its own.

        Args:
            cells: `WIDTH` numbers for each process; None for a process alone.
            worker: whose numbers to write, from 0.
            shop: of which they tell; "" for a server of one, and for what all have in common.

        Raises:
            UsageError: there are more shops than rows.
        """
        self._cells = [0.0] * WIDTH if cells is None else cells
        self._worker, self._key = worker, _key_of(shop)
        self._own = self._claim_row()

    def of(self, shop: str) -> ServerMetrics:
        """Return what is counted of a shop, in the same memory."""
        return ServerMetrics(self._cells, self._worker, shop)

    def _claim_row(self) -> int:
        """Return where the numbers of the shop begin that this process writes; they outlive it."""
        for row in _rows_of(self._worker, self._key):
            if self._cells[row] in (self._key, 0.0):
                self._cells[row] = self._key
                return row
        raise UsageError(f"one server counts for {MOST_SHOPS} data sets at most", hint="serve them by several servers")

    def _rows(self) -> Iterator[int]:
        """Yield where the numbers of the shop begin, of each process that has any."""
        for worker in range(len(self._cells) // WIDTH):
            for row in _rows_of(worker, self._key):
                if self._cells[row] == self._key:
                    yield row
                    break
                if not self._cells[row]:
                    break

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
        return sum((self._cells[row + _CELLS[name]] for row in self._rows()), 0.0)


def _rows_of(worker: int, key: float) -> range:
    """Return where rows for a shop may begin, or the one row of a process itself."""
    first = worker * WIDTH
    return range(first + _ROW, first + WIDTH, _ROW) if key else range(first, first + _ROW, _ROW)


def _key_of(shop: str) -> float:
    """Return a number for a name, 0 for no name: names have no place among numbers that processes share."""
    return float(1 + int.from_bytes(hashlib.sha256(shop.encode()).digest()[:6])) if shop else 0.0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is exposed of one model.

    Attributes:
        metrics: counted.
        model, checkpoint, dataset: which one it is.
        night: the last one, if any was noted.
        shop: its name where the server has several, else "".
    """

    metrics: ServerMetrics
    model: str
    checkpoint: str
    dataset: str
    night: Night | None = None
    shop: str = ""

    @property
    def labels(self) -> Mapping[str, str]:
        """What tells its numbers from those of other shops."""
        return {"shop": self.shop} if self.shop else {}


_Sample = tuple[Mapping[str, str], object]


def expose(process: ServerMetrics, models: Sequence[Measured], failing: Iterable[str] = ()) -> str:
    """Return all counters, and what the last nights were like. Source: Prometheus exposition format 0.0.4.

    Args:
        process: counted of connections.
        models: that answer: one, or one for each shop.
        failing: names of shops that have none.
    """
    lines = [
        *_expose("adrec_requests_total", "counter", "Requests to /recommend by status.", _count_statuses(models)),
        *_head("adrec_request_seconds", "histogram", "Time from a request to its answer."),
        *(line for one in models for line in _histogram(one)),
    ]
    for kind, named in (("counter", _COUNTERS), ("gauge", _GAUGES)):
        for name, help in named.items():
            told: list[tuple[Mapping[str, str], ServerMetrics]] = [(one.labels, one.metrics) for one in models]
            if "_connections" in name:
                told = [({}, process)]
            lines += _expose(name, kind, help, [(labels, int(metrics.value(name))) for labels, metrics in told])
    served = {one.shop: 1 for one in models if one.shop} | dict.fromkeys(failing, 0)
    if served:
        lines += _expose(_SHOPS[0], "gauge", _SHOPS[1], [({"shop": name}, there) for name, there in served.items()])
    about = [
        ({"model": one.model, "checkpoint": one.checkpoint, "dataset": one.dataset, **one.labels}, 1) for one in models
    ]
    lines += _expose("adrec_model_info", "gauge", "The model that answers.", about)
    for name, help in _OF_NIGHTS.items():
        nights = [(one.labels, _measure_night(one.night).get(name)) for one in models if one.night is not None]
        if known := [(labels, f"{value:.10g}") for labels, value in nights if value is not None]:
            lines += _expose(name, "gauge", help, known)
    return "\n".join(lines) + "\n"


def _count_statuses(models: Sequence[Measured]) -> list[_Sample]:
    return [
        ({"status": str(status), **one.labels}, count)
        for one in models
        for status in STATUSES
        if (count := int(one.metrics.value(str(status))))
    ]


def _histogram(one: Measured) -> Iterator[str]:
    total, name = 0, "adrec_request_seconds"
    for number, bound in enumerate((*map(str, BUCKETS), "+Inf")):
        total += int(one.metrics.value(f"bucket {number}"))
        yield _line(f"{name}_bucket", {"le": bound, **one.labels}, total)
    yield _line(f"{name}_sum", one.labels, f"{one.metrics.value('seconds'):.6f}")
    yield _line(f"{name}_count", one.labels, total)


def _measure_night(night: Night) -> dict[str, float | None]:
    values = {
        "adrec_night_timestamp_seconds": datetime.fromisoformat(night.noted_at).timestamp(),
        "adrec_night_promoted": float(night.outcome == PROMOTED),
        "adrec_night_validation": night.value,
    }
    if (drift := night.drift) is None:
        return values
    return values | {
        "adrec_drift_new_users_ratio": drift.new_users,
        "adrec_drift_new_items_ratio": drift.new_items,
        "adrec_drift_popularity_shift": drift.popularity_shift,
        "adrec_drift_popularity_shift_by_chance": drift.expected_shift,
        "adrec_drift_validation_change_ratio": drift.metric_change,
    }


def _expose(name: str, kind: str, help: str, samples: Iterable[_Sample]) -> list[str]:
    return [*_head(name, kind, help), *(_line(name, labels, value) for labels, value in samples)]


def _head(name: str, kind: str, help: str) -> tuple[str, str]:
    return f"# HELP {name} {help}", f"# TYPE {name} {kind}"


def _line(name: str, labels: Mapping[str, str], value: object) -> str:
    written = ",".join(f'{label}="{_escape(of)}"' for label, of in labels.items())
    return f"{name}{{{written}}} {value}" if written else f"{name} {value}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
