"""The exact commands that make everything again, from what the artifacts say of themselves."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.checkpoint import CheckpointMetadata
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.artifacts.report import Evaluation
from adrec_cli.data.datasets import Filters
from adrec_cli.data.named_datasets import load_dataset_spec, named_source
from adrec_cli.data.options import PreprocessOptions, settle
from adrec_cli.experiments.experiment import compose, dataset_recipe
from adrec_cli.sweeping.option_keys import as_settings
from adrec_cli.sweeping.sampling_flags import sampling_flags

_CUT = (
    "min_rating", "min_user_interactions", "min_item_interactions", "max_length", "duplicates", "ties", "split",
    "valid_from", "test_from", "on_bad_row",
)  # fmt: skip
_READING = (
    "user_column", "item_column", "timestamp_column", "rating_column", "separator", "encoding", "timestamp_unit",
    "timestamp_format", "timezone", "join", "on",
)  # fmt: skip


def preprocess_command(manifest: Manifest, *, has_item_file: bool) -> str:
    """Return the command that makes a dataset again.

    Args:
        manifest: of the dataset.
        has_item_file: its items have more than an id and a count.
    """
    given, name = manifest.parameters, manifest.dataset
    words = ["adrec", "preprocess"]
    filters = Filters()
    source = named_source(name)
    if source is not None:
        words.append(source)
        filters = load_dataset_spec(source).filters
        if given.get("variant"):
            words += ["--variant", str(given["variant"])]
            variant = load_dataset_spec(source).variants.get(str(given["variant"]))
            filters = filters if variant is None else variant.filters
        if tuple(given.get("where") or ()) != tuple(filters.where or ()):
            words += _conditions(given.get("where") or [""])
    else:
        files = [str(source.get("name")) for source in manifest.sources if source.get("name") != given.get("join")]
        words += files[:1]
        words += [] if Path(files[0]).name.split(".")[0] == name else ["--name", name]
        words += ["--items", files[1]] if has_item_file and len(files) == 2 else []
        words += _flags({key: given.get(key) for key in _READING if given.get(key) is not None})
        if given.get("header") is not None:
            words.append("--header" if given["header"] else "--no-header")
        words += _conditions(given.get("where") or ())
        words += ["--keep-blanks"] if given.get("keep_blanks") else []
    usual = settle(PreprocessOptions(), None, dataclasses.replace(filters, split=None)).parameters()
    usual["split"] = filters.split
    cut = {key: given.get(key) for key in _CUT if given.get(key) != usual.get(key) and given.get(key) is not None}
    return shlex.join([*words, *_flags({key: _moment(key, value) for key, value in cut.items()})])


def train_command(metadata: CheckpointMetadata) -> str:
    """Return the command that trains all stages of a model as the last one's checkpoint says."""
    model, dataset = metadata.model, metadata.dataset
    tables = {"model": metadata.config, **metadata.training}
    usual = compose(model, inherited=dataset_recipe(dataset, model)).tables()
    words = ["adrec", "train", dataset, *([] if model == "adrec" else ["--model", model])]
    for setting in as_settings(_differing(tables, usual)):
        words += ["--set", setting]
    return shlex.join([*words, "--threads", str(metadata.threads)])


def evaluate_command(evaluation: Evaluation) -> str:
    """Return the command that measures a model again."""
    name = f"{evaluation.model}/{evaluation.checkpoint}" if evaluation.checkpoint else evaluation.model
    path = f"workspace/{evaluation.dataset}/{name}" if evaluation.checkpoint else name
    words = ["adrec", "evaluate", path, "--dataset", evaluation.dataset]
    part = next((part for part in evaluation.protocol.split("/") if part in ("valid", "test")), "test")
    words += [] if part == "test" else ["--part", part]
    sampled = next((piece for piece in evaluation.protocol.split("/") if piece.startswith("sampled-")), "")
    if evaluation.negatives_sha256:
        words += ["--negatives", evaluation.negatives_source]
    elif sampled:
        words += ["--negatives", sampled.removeprefix("sampled-")]
    words += ["--mask-seen"] if evaluation.mask_seen else []
    words += ["--seed", str(evaluation.seed)] if evaluation.seed else []
    words += sampling_flags(evaluation.sampling)
    return shlex.join(words)


def _differing(tables: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of nested tables that are not the usual ones."""
    found: dict[str, Any] = {}
    for key, value in tables.items():
        if isinstance(value, Mapping):
            below = usual.get(key, {})
            if inner := _differing(value, below if isinstance(below, Mapping) else {}):
                found[key] = inner
        elif key not in usual or usual[key] != value:
            found[key] = value
    return found


def _conditions(conditions: Iterable[Any]) -> list[str]:
    return [word for condition in conditions for word in ("--where", str(condition))]


def _flags(options: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for key, value in options.items():
        words += [f"--{key.replace('_', '-')}", str(value)]
    return words


def _moment(key: str, value: Any) -> Any:
    """Return microseconds as the date that one types."""
    if key not in ("valid_from", "test_from") or not isinstance(value, int):
        return value
    moment = datetime.fromtimestamp(value // 1_000_000, UTC)
    return moment.date().isoformat() if not value % 86_400_000_000 else moment.isoformat()


def versions(metadata: Sequence[CheckpointMetadata]) -> list[str]:
    """Return which versions wrote the checkpoints, each once."""
    return sorted({f"adrec {entry.adrec_version}, torch {entry.torch_version}" for entry in metadata})
