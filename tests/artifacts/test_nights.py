"""Notes of nights: read as written, bounded, once per state, and refused where no run wrote them."""

from __future__ import annotations

import dataclasses
import json

import pytest

from adrec_cli.artifacts.nights import KEEP_NIGHTS, NOT_PROMOTED, PROMOTED, Drift, Night, note_night, read_nights
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import NIGHTS_FILE

DRIFT = Drift(
    new_users=0.5, new_items=0.25, popularity_shift=None, expected_shift=None, metric_change=-0.125, nights=3
)  # fmt: skip
NIGHT = Night(
    noted_at="2026-11-26T03:00:00+00:00", outcome=PROMOTED, checkpoint_sha256="a" * 64, sequences_sha256="b" * 64,
    generation=2, users=10, items=20, interactions=100, monitor="ndcg@10", protocol="loo/full/valid", value=0.25,
    test_protocol="loo/full/test", metrics={"ndcg@10": [0.2, 0.1, 0.3]}, rules=[{"rule": "x"}], drift=DRIFT,
)  # fmt: skip


def test_nights_come_back_as_they_were_and_the_oldest_go(tmp_path):
    assert read_nights(tmp_path) == []
    first = [dataclasses.replace(NIGHT, checkpoint_sha256=f"{number:064}") for number in range(KEEP_NIGHTS)]
    (tmp_path / NIGHTS_FILE).write_text("".join(f"{json.dumps(dataclasses.asdict(night))}\n" for night in first))
    assert read_nights(tmp_path) == first
    for number in (KEEP_NIGHTS, KEEP_NIGHTS + 1):
        note_night(tmp_path, dataclasses.replace(NIGHT, checkpoint_sha256=f"{number:064}"))
    nights = read_nights(tmp_path)
    assert [int(night.checkpoint_sha256) for night in nights] == list(range(2, KEEP_NIGHTS + 2))
    assert dataclasses.replace(nights[-1], checkpoint_sha256="a" * 64) == NIGHT


def test_the_same_state_is_noted_once(tmp_path):
    note_night(tmp_path, NIGHT)
    note_night(tmp_path, dataclasses.replace(NIGHT, noted_at="later", value=0.5))
    assert read_nights(tmp_path) == [NIGHT]
    for change in ({"outcome": NOT_PROMOTED}, {"sequences_sha256": "c" * 64}, {"checkpoint_sha256": "d" * 64}):
        note_night(tmp_path, dataclasses.replace(NIGHT, **change))
        assert getattr(read_nights(tmp_path)[-1], *change) == next(iter(change.values()))
        note_night(tmp_path, NIGHT)


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "perhaps"}, {"value": "much"}, {"value": True}, {"users": 1.5}, {"metrics": {"a": [1, 2]}},
        {"metrics": {"a": [1, 2, "x"]}}, {"rules": [1]}, {"rules": {}}, {"noted_at": None}, {"more": 1},
        {"noted_at": "yesterday"}, {"drift": {"new_users": 1}}, {"drift": {**dataclasses.asdict(DRIFT), "nights": "3"}},
    ],
    ids=str,
)  # fmt: skip
def test_what_no_run_noted_is_refused_and_stays(tmp_path, change):
    line = json.dumps(dataclasses.asdict(NIGHT) | change)
    (tmp_path / NIGHTS_FILE).write_text(f"{line}\n")
    with pytest.raises(ArtifactError, match=r"nights\.jsonl is damaged"):
        note_night(tmp_path, NIGHT)
    assert (tmp_path / NIGHTS_FILE).read_text() == f"{line}\n"


@pytest.mark.parametrize("content", ["{", "[]\n", "\x00", '{"value": NaN}', "[" * 100_000])
def test_what_is_no_line_of_json_is_refused(tmp_path, content):
    (tmp_path / NIGHTS_FILE).write_text(content)
    with pytest.raises(ArtifactError):
        read_nights(tmp_path)
