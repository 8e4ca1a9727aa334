"""What several processes count is added up, and is reported in the text Prometheus reads."""

from __future__ import annotations

from adrec_cli.serving.exposition import STATUSES, WIDTH, ServerMetrics


def test_processes_add_up() -> None:
    cells = [0.0] * (2 * WIDTH)
    one, other = ServerMetrics(cells, 0), ServerMetrics(cells, 1)
    one.request(200, 0.004)
    other.request(200, 9.0)
    other.request(418, 0.0)
    other.gauge("adrec_open_connections", 3)
    for metrics in (one, other):
        text = metrics.text(model="adrec", checkpoint='a"b\n', dataset="shop")
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
