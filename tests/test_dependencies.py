"""What is installed with adrec: floors without known faults, and pins that fit them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = [text for extra in PROJECT["optional-dependencies"].values() for text in extra]
DIRECT = [Requirement(text) for text in (*PROJECT["dependencies"], *EXTRAS)]
PINS = (ROOT / ".ci/constraints.txt").read_text()
SAFE = {"filelock": "3.20.1", "starlette": "0.49.1", "h11": "0.16"}
"""The first versions without a published advisory."""


def test_floors_have_no_known_faults() -> None:
    floors = {one.name: next(s.version for s in one.specifier if s.operator == ">=") for one in DIRECT}
    for name, version in SAFE.items():
        assert Version(floors[name]) >= Version(version), name


def test_every_dependency_is_pinned_within_its_bounds_and_with_hashes() -> None:
    pins = dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\\n]+)", PINS, re.M))
    for one in DIRECT:
        assert one.specifier.contains(pins[one.name]), one.name
    assert len(re.findall(r"^\S+==", PINS, re.M)) == len(
        re.findall(r"\\\n    --hash=sha256:(?=[0-9a-f]{64}).*(?:\n    --hash.*)*", PINS)
    )
    assert "://" not in PINS
