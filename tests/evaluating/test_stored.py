"""A stored evaluation is taken where everything that its figures depend on is the same, whichever differs and how."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.errors import ArtifactError
from adrec_cli.evaluating import stored
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.evaluating.rivals import name_protocol
from adrec_cli.evaluating.stored import evaluation_path, find_evaluation
from adrec_cli.loading.opening import Checkpoint, Dataset, open_dataset
from tests.reporting.made_up import a_stage, an_evaluation

FIELDS = ("checkpoint_sha256", "items_sha256", "sequences_sha256", "negatives_sha256", "code_sha256")


@pytest.fixture(scope="module")
def dataset(tiny_source: Path) -> Dataset:
    return open_dataset(tiny_source / "tiny")


def a_checkpoint(path: str) -> Checkpoint:
    return Checkpoint(path=Path(path), sha256="m", metadata=a_stage("adrec", "finetune").metadata, tensors={})


@pytest.fixture
def find(dataset: Dataset, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Return what finds an evaluation that was stored with these fields, and says whether it is taken."""
    monkeypatch.setattr(stored, "measuring_code_sha256", lambda: "m")
    monkeypatch.setattr(stored, "hash_negatives", lambda options: "m")
    shas = {name: getattr(dataset.manifest, name) for name in ("items_sha256", "sequences_sha256")}

    def taken(options: EvaluationOptions, **changed: Any) -> bool:
        usual: dict[str, Any] = {**dict.fromkeys(FIELDS, "m"), **shas, "seed": options.seed}
        there = an_evaluation("adrec", 0.1, **{**usual, **changed})
        settled: list[Path] = []
        monkeypatch.setattr(stored, "read_evaluation", lambda path: there)
        monkeypatch.setattr(stored, "verify_ranks", lambda path: None)
        monkeypatch.setattr(stored, "settle_left", settled.append)
        found = find_evaluation(dataset, a_checkpoint("x/m.safetensors"), options)
        assert found is (there if settled else None)
        return found is not None

    return taken


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ["", "0", "~"])
def test_another_hash_is_another_evaluation(find, field: str, value: str) -> None:  # type: ignore[no-untyped-def]
    assert find(EvaluationOptions())
    assert not find(EvaluationOptions(), **{field: value})


@pytest.mark.parametrize("stored_seed", [2, 3, 4])
@pytest.mark.parametrize("negatives", [0, 9])
@pytest.mark.parametrize("sampled", [False, True])
def test_a_seed_counts_where_something_was_drawn(find, stored_seed: int, negatives: int, sampled: bool) -> None:  # type: ignore[no-untyped-def]
    options = EvaluationOptions(seed=3, negatives=negatives)
    sampling = options.sampled if sampled else {}
    expected = stored_seed == 3 or not (sampled or negatives)
    assert find(options, seed=stored_seed, sampling=sampling) is expected


def test_a_model_that_draws_is_asked_the_same_way(find) -> None:  # type: ignore[no-untyped-def]
    options = EvaluationOptions()
    assert find(options, sampling=options.sampled)
    for name in options.sampled:
        assert not find(options, sampling={**options.sampled, name: "another"})


@pytest.mark.parametrize("has", [{}, {"gini@10": 0.1}])
@pytest.mark.parametrize("wants", [False, True])
def test_figures_of_lists_are_there_where_they_are_wanted(find, has: dict[str, float], wants: bool) -> None:  # type: ignore[no-untyped-def]
    assert find(EvaluationOptions(beyond_accuracy=wants), beyond_accuracy=has) is (bool(has) or not wants)


@pytest.mark.parametrize("broken", ["read_evaluation", "verify_ranks"])
def test_what_is_damaged_is_measured_again(
    find, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:  # type: ignore[no-untyped-def]
    assert find(EvaluationOptions())

    def refuse(path: Path) -> None:
        raise ArtifactError("damaged")

    monkeypatch.setattr(stored, broken, refuse)
    assert find_evaluation(dataset, a_checkpoint("x/m.safetensors"), EvaluationOptions()) is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (None, "mostpop-loo-full-valid"), ("adrec/finetune.safetensors", "adrec-finetune-loo-full-valid"),
        ("adrec/seed-7/finetune.safetensors", "adrec-finetune-seed-7-loo-full-valid"),
    ],
)  # fmt: skip
def test_every_model_protocol_and_seed_has_a_place_of_its_own(dataset: Dataset, path: str | None, name: str) -> None:
    options = dataclasses.replace(EvaluationOptions(), part="valid")
    checkpoint = None if path is None else a_checkpoint(path)
    place = evaluation_path(dataset, checkpoint, name_protocol(dataset, options, 0))
    assert place == dataset.folder / "reports" / f"{name}.json"
