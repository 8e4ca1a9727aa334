"""What a server tells of the last night: read again when it changes, kept while it cannot be read, in /metrics."""

from __future__ import annotations

import dataclasses

from adrec_cli.artifacts.nights import NOT_PROMOTED, note_night
from adrec_cli.schema import NIGHTS_FILE
from adrec_cli.serving.exposition import Measured, ServerMetrics, expose
from adrec_cli.serving.nights_file import NightsFile
from tests.artifacts.test_nights import NIGHT

NAMES = {"model": "sasrec", "checkpoint": "c", "dataset": "shop"}


def test_nights_are_read_again_when_they_change_and_kept_while_they_cannot_be_read(tmp_path):
    folder = tmp_path / "sasrec"
    folder.mkdir()
    nights = NightsFile(tmp_path)
    assert nights.of("sasrec") == []
    note_night(folder, NIGHT)
    assert nights.of("sasrec") == [NIGHT]
    second = dataclasses.replace(NIGHT, outcome=NOT_PROMOTED)
    note_night(folder, second)
    assert nights.of("sasrec") == [NIGHT, second]
    (folder / NIGHTS_FILE).write_text("broken")
    assert nights.of("sasrec") == [NIGHT, second]
    assert nights.of("adrec") == []
    (folder / NIGHTS_FILE).unlink()
    assert nights.of("sasrec") == []


def test_metrics_tell_of_the_last_night_and_leave_out_what_was_not_measured():
    def exposed(night):
        metrics = ServerMetrics()
        lines = expose(metrics, [Measured(metrics=metrics, **NAMES, night=night)]).splitlines()
        return dict(line.split() for line in lines if line.startswith(("adrec_night", "adrec_drift")))

    assert exposed(None) == {}
    assert exposed(NIGHT) == {
        "adrec_night_timestamp_seconds": "1795662000",
        "adrec_night_promoted": "1",
        "adrec_night_validation": "0.25",
        "adrec_drift_new_users_ratio": "0.5",
        "adrec_drift_new_items_ratio": "0.25",
        "adrec_drift_validation_change_ratio": "-0.125",
    }
    assert exposed(dataclasses.replace(NIGHT, outcome=NOT_PROMOTED, drift=None, value=None)) == {
        "adrec_night_timestamp_seconds": "1795662000",
        "adrec_night_promoted": "0",
    }
