"""What several processes count is added up, and is reported in the text Prometheus reads."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.errors import UsageError
from adrec_cli.serving.exposition import MOST_SHOPS, STATUSES, WIDTH, Measured, ServerMetrics, expose
from tests.artifacts.test_nights import NIGHT


def test_processes_add_up() -> None:
    cells = [0.0] * (2 * WIDTH)
    one, other = ServerMetrics(cells, 0), ServerMetrics(cells, 1)
    one.request(200, 0.004)
    other.request(200, 9.0)
    other.request(418, 0.0)
    other.gauge("adrec_open_connections", 3)
    for metrics in (one, other):
        text = expose(metrics, [Measured(metrics=metrics, model="adrec", checkpoint='a"b\n', dataset="shop")])
        assert 'adrec_requests_total{status="200"} 2' in text
        assert 'adrec_requests_total{status="500"} 1' in text
        assert 'adrec_request_seconds_bucket{le="+Inf"} 3' in text
        assert 'adrec_request_seconds_bucket{le="0.005"} 2' in text
        assert "adrec_open_connections 3" in text
        assert 'checkpoint="a\\"b\\n"' in text


def test_statuses_have_a_place_each() -> None:
    metrics = ServerMetrics()
    for status in STATUSES:
        metrics.request(status, 0)
    assert [metrics.value(str(status)) for status in STATUSES] == [1] * len(STATUSES)


NAMES = ["a", "b", "ä", "a b", "long" * 20]


@given(
    happened=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(NAMES), st.sampled_from(STATUSES), st.booleans()), max_size=40
    )
)
def test_each_shop_is_counted_over_all_processes_whatever_each_met_first_and_whichever_began_again(happened) -> None:
    cells, ledger = [0.0] * (3 * WIDTH), Counter()
    processes = [ServerMetrics(cells, worker) for worker in range(3)]
    for worker, name, status, begins_again in happened:
        if begins_again:
            processes[worker] = ServerMetrics(cells, worker)
        processes[worker].of(name).request(status, 0.1)
        processes[worker].count("adrec_late_connections_total")
        ledger[name, status] += 1
    for process in processes:
        found = {
            (name, status): int(count)
            for name in NAMES
            for status in STATUSES
            if (count := process.of(name).value(str(status)))
        }
        assert found == ledger
        assert process.value("adrec_late_connections_total") == len(happened)


def test_one_shop_more_than_there_are_rows_is_refused() -> None:
    metrics = ServerMetrics()
    for number in range(MOST_SHOPS):
        metrics.of(f"shop{number}").count("adrec_reloads_total", number)
    with pytest.raises(UsageError, match="256 data sets at most"):
        metrics.of("another")
    assert metrics.of("shop255").value("adrec_reloads_total") == 255
    assert metrics.value("adrec_reloads_total") == 0


def test_what_several_shops_expose_has_each_name_once_and_each_line_its_shop() -> None:
    metrics = ServerMetrics()
    shops = [
        Measured(metrics=metrics.of(name), model="adrec", checkpoint="c", dataset=name, shop=name, night=night)
        for name, night in (("a", NIGHT), ('b"', None))
    ]
    lines = expose(metrics, shops, failing=["c"]).splitlines()
    heads = [line for line in lines if line.startswith("#")]
    assert len(heads) == len(set(heads))
    told = [line for line in lines if not line.startswith("#")]
    assert {line for line in told if "shop=" not in line} == {
        f"adrec_{name} 0"
        for name in (
            "refused_connections_total",
            "late_connections_total",
            "shed_connections_total",
            "open_connections",
        )
    }
    assert 'adrec_night_validation{shop="a"} 0.25' in told
    assert [line for line in told if "night" in line and "b" in line.partition("shop=")[2]] == []
    served = [line for line in told if line.startswith("adrec_shop_served")]
    assert served == [
        f'adrec_shop_served{{shop="{name}"}} {there}' for name, there in (("a", 1), ('b\\"', 1), ("c", 0))
    ]
