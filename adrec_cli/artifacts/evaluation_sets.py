"""Several evaluations of a data set: which may stand side by side, and which are of checkpoints that are there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from adrec_cli.artifacts.atomic import find_sha256
from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.schema import SEED_FOLDER


def comparable_groups(evaluations: Sequence[Evaluation]) -> list[list[Evaluation]]:
    """Return evaluations that may stand side by side, full ranking of the test items first."""
    groups: dict[tuple[object, ...], list[Evaluation]] = {}
    for one in evaluations:
        drawn = (one.negatives_source, one.negatives_sha256, one.seed) if one.negatives_source else ()
        groups.setdefault((one.protocol, one.items_sha256, drawn), []).append(one)

    def order(group: list[Evaluation]) -> tuple[bool, bool, str]:
        return "/test" not in group[0].protocol, "/full/" not in group[0].protocol, group[0].protocol

    return sorted(groups.values(), key=order)


def find_training_seed(evaluation: Evaluation) -> int | None:
    """Return which of several trainings of a model was evaluated, each with a seed of its own; None for the model."""
    told = Path(evaluation.path).name.removeprefix(f"{evaluation.model}-{evaluation.stage}-")
    found = re.match(rf"{SEED_FOLDER}(\d+)-", told)
    return int(found[1]) if found else None


def find_checkpoint_place(evaluation: Evaluation) -> str:
    """Return where the checkpoint of an evaluation lies, from its data set's folder; "" for MostPopular."""
    seed = find_training_seed(evaluation)
    folder = f"{evaluation.model}/" + ("" if seed is None else f"{SEED_FOLDER}{seed}/")
    return f"{folder}{evaluation.checkpoint}" if evaluation.checkpoint else ""


def find_replaced(
    dataset_folder: Path, evaluations: Iterable[Evaluation], known: Mapping[str, str] | None = None
) -> list[Evaluation]:
    """Return the evaluations whose checkpoint is not there any more, or was never where models lie.

    Args:
        dataset_folder: of the data set.
        evaluations: of models on it.
        known: hashes of checkpoints by their place in that folder, where somebody has read them.
    """
    hashes = dict(known or {})
    replaced = []
    for one in evaluations:
        place = find_checkpoint_place(one)
        if place and place not in hashes:
            path = dataset_folder / place
            hashes[place] = find_sha256(path) or ""
        if place and hashes[place] != one.checkpoint_sha256:
            replaced.append(one)
    return replaced
