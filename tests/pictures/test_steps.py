"""A picture of a study of steps is the study, and nothing else is taken for one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adrec_cli.errors import ArtifactError, InputError, UsageError
from adrec_cli.loading.opening import Dataset
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.steps import steps
from adrec_cli.plots.steps import StepsPoint
from tests.examples import tries
from tests.pictures.test_what_is_drawn import LOOK, Catch, around


def a_study(**changed: Any) -> dict[str, Any]:
    rows = [
        {"steps": n, "metrics": {"ndcg@10": 0.1 * n, "hr@10": 0.2 * n}, "milliseconds_per_target": n / 7, "seconds": n}
        for n in (1, 4)
    ]
    told = {
        "dataset": "tiny", "model": "adrec", "protocol": "loo/full/test", "noise": "seeded", "seed": 3, "cases": 1234,
        "device": "cpu", "threads": 2, "rows": rows,
    }  # fmt: skip
    return {**told, **changed}


def write_study(folder: Path, study: Any, name: str = "mine.json") -> PictureOptions:
    (folder / name).write_text(json.dumps(study))
    return dataclasses.replace(LOOK, steps=(folder / name,))


@pytest.mark.parametrize("metric", [None, "hr@10"])
def test_a_study_of_steps_is_drawn_as_it_is(dataset: Dataset, tmp_path: Path, catch: Catch, metric: str | None) -> None:
    drawn = catch("steps.draw_steps")
    (found,) = steps(dataset, dataclasses.replace(write_study(tmp_path, a_study()), metric=metric))
    each = 0.2 if metric else 0.1
    assert drawn.what == [
        [StepsPoint(steps=n, metric=around(each * n, 0, 0), milliseconds=n / 7) for n in (1, 4)],
    ]
    assert (found.name, found.title) == ("steps-adrec-mine", "What reverse steps buy: ADRec on tiny")
    assert found.about == "tiny, loo/full/test, 1,234 targets; seeded noise, seed 3; cpu, 2 threads"
    assert drawn.options[0]["metric"] == (metric or "ndcg@10").upper()


def test_ranking_that_takes_no_time_is_drawn(dataset: Dataset, tmp_path: Path, catch: Catch) -> None:
    drawn = catch("steps.draw_steps")
    study = a_study(rows=[{**row, "milliseconds_per_target": 0.0} for row in a_study()["rows"]])
    steps(dataset, write_study(tmp_path, study))
    assert [point.milliseconds for point in drawn.what[0]] == [0, 0]


@pytest.mark.usefixtures("in_shell")
def test_whoever_lacks_a_study_is_shown_how_to_make_one(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as absent:
        steps(dataset, LOOK)
    made = "adrec evaluate CHECKPOINT --steps 1,2,4 --json >"
    assert absent.value.hint == f"{made} steps.json, then adrec plot --steps steps.json"
    with pytest.raises(InputError) as other:
        steps(dataset, write_study(tmp_path, {}))
    assert other.value.hint == f"{made} FILE"


def test_a_metric_that_some_rows_lack_is_unknown(dataset: Dataset, tmp_path: Path) -> None:
    study = a_study()
    for place in (0, 1):
        lacking = json.loads(json.dumps(study))
        del lacking["rows"][place]["metrics"]["ndcg@10"]
        with pytest.raises(UsageError, match="unknown metric 'ndcg@10'") as refused:
            steps(dataset, write_study(tmp_path, lacking))
        assert refused.value.hint == "one of: hr@10"


KEYS = ("dataset", "model", "protocol", "noise", "seed", "cases", "device", "threads", "rows")
OF_ROWS = ("steps", "metrics", "milliseconds_per_target")


@given(key=st.sampled_from([*KEYS, *OF_ROWS]), place=st.integers(0, 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=tries(25))
def test_a_study_that_lacks_anything_is_refused(dataset: Dataset, tmp_path: Path, key: str, place: int) -> None:
    study = a_study()
    del (study["rows"][place] if key in OF_ROWS else study)[key]
    with pytest.raises(InputError, match="is not what an evaluation at several numbers of steps prints"):
        steps(dataset, write_study(tmp_path, study))


@pytest.mark.parametrize(
    "study",
    [
        a_study(rows=[]), a_study(rows=3), a_study(cases="many"), a_study(cases=-7), [], 3, None,
        *(a_study(rows=[{**a_study()["rows"][0], "steps": value}]) for value in (0, -1, "4", None)),
        *(a_study(rows=[{**a_study()["rows"][0], "metrics": value}]) for value in ([], {"ndcg@10": "high"}, 3)),
        *(a_study(rows=[{**a_study()["rows"][0], "milliseconds_per_target": value}]) for value in ("1", None)),
    ],
)  # fmt: skip
def test_a_study_of_other_content_is_refused(dataset: Dataset, tmp_path: Path, study: Any) -> None:
    with pytest.raises(InputError, match="is not what an evaluation at several numbers of steps prints"):
        steps(dataset, write_study(tmp_path, study))


def test_a_study_of_other_data_or_of_none_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine\.json is of other, not of tiny"):
        steps(dataset, write_study(tmp_path, a_study(dataset="other")))
    with pytest.raises(InputError, match=r"nowhere\.json does not exist"):
        steps(dataset, dataclasses.replace(LOOK, steps=(tmp_path / "nowhere.json",)))
    with pytest.raises(ArtifactError, match="no figures of reverse steps were given"):
        steps(dataset, LOOK)
