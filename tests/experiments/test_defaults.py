"""What a training does by default: everybody's numbers hang on it.

Who means to change a default says so in CHANGELOG.md under [Breaking], and records it with
`python -m tests.experiments.test_defaults`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adrec_cli.experiments.experiment import compose
from adrec_cli.models.registry import list_trainable

RECORDED = Path(__file__).with_name("defaults.json")


def defaults(name: str) -> dict:
    return json.loads(json.dumps(compose(name).tables()))


@pytest.mark.parametrize("name", list_trainable())
def test_defaults_are_those_recorded(name):
    """An option that was not there when they were recorded changes nothing by being there."""
    found, recorded = defaults(name), json.loads(RECORDED.read_text())[name]
    tables = [(found[part], recorded[part]) for part in ("model", "training")]
    tables += [(found["stages"][stage], recorded["stages"][stage]) for stage in recorded["stages"]]
    assert list(found["stages"]) == list(recorded["stages"])
    for has, had in tables:
        assert {option: has.get(option) for option in had} == had


if __name__ == "__main__":
    RECORDED.write_text(json.dumps({name: defaults(name) for name in list_trainable()}, indent=1) + "\n")
