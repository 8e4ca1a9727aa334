"""Which checkpoints have learned from users who leave: by their own data, or by those they started from."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.errors import ArtifactError
from adrec_cli.forgetting import learnt
from adrec_cli.forgetting.learnt import find_learnt, is_apart
from tests.reporting.made_up import a_stage

HELD, CLEAN, UNKNOWN = "held", "clean", "unknown"


@given(st.lists(st.tuples(st.sampled_from([HELD, CLEAN, UNKNOWN]), st.integers(-1, 11)), min_size=1, max_size=12))
@settings(deadline=None)
def test_a_model_knows_what_those_knew_that_it_goes_back_to(made: list[tuple[str, int]]) -> None:
    """Each is of some data, and started from an earlier one or from none; they lie anywhere below the data set."""
    parents = [parent if parent < number else -1 for number, (_, parent) in enumerate(made)]
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        # Paths in another order than they were trained in.
        paths = [Path(name, f"{(7 * number) % 13:02}/m{number}.safetensors") for number in range(len(made))]
        for path in [*paths, paths[0].with_name("m.state.safetensors"), Path(name, "damaged.safetensors")]:
            path.parent.mkdir(exist_ok=True)
            path.touch()

        def read(path: Path) -> CheckpointMetadata:
            if path not in paths:
                raise ArtifactError("damaged")
            number = paths.index(path)
            parent = f"sha of {paths[parents[number]]}" if parents[number] >= 0 else ""
            return a_stage("adrec", f"s{number}", sequences_sha256=made[number][0], parent_sha256=parent).metadata

        patch.setattr(learnt, "read_metadata", read)
        patch.setattr(learnt, "file_sha256", lambda path: f"sha of {path}")
        found = find_learnt(Path(name), {HELD}, {CLEAN})

    def knows(number: int) -> bool:
        return number >= 0 and (made[number][0] == HELD or knows(parents[number]))

    expected = [(path, knows(number)) for number, path in enumerate(paths) if knows(number) or made[number][0] != CLEAN]
    assert [(one.path, one.certain) for one in found] == sorted(expected)
    assert all((one.model, one.stage) == ("adrec", f"s{paths.index(one.path)}") for one in found)


@pytest.mark.parametrize(
    ("path", "apart"),
    [
        ("ws/shop/adrec/finetune.safetensors", False),
        ("ws/shop/adrec/promoted/0123.safetensors", False),
        ("sweeps/shop/adrec/promoted/0123.safetensors", False),
        ("ws/shop/adrec/seed-1/finetune.safetensors", True),
        ("ws/shop/sweeps/lambda/stages/adrec-align-0123/align.safetensors", True),
    ],
)
def test_seeds_and_sweeps_are_told_from_what_recommends(path: str, apart: bool) -> None:
    assert is_apart(Path(path)) is apart
