"""The exact commands that make everything again, from what the artifacts say of themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.artifacts.evaluation_sets import find_checkpoint_place
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.data.datasets import Filters
from adrec_cli.data.named_datasets import find_named_source, load_dataset_spec
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.reading.times import moment_text
from adrec_cli.data.settings import settle
from adrec_cli.experiments.experiment import compose, find_recipe
from adrec_cli.sweeping.command_line import find_unusual_sampling
from adrec_cli.sweeping.option_keys import as_settings
from adrec_cli.wording import command_anywhere

_CUT = (
    "min_rating", "min_user_interactions", "min_item_interactions", "max_length", "duplicates", "ties", "split",
    "valid_from", "test_from", "on_bad_row",
)  # fmt: skip
_READING = (
    "user_column", "item_column", "timestamp_column", "rating_column", "header", "separator", "encoding",
    "timestamp_unit", "timestamp_format", "timezone", "join", "on",
)  # fmt: skip


def preprocess_command(manifest: Manifest, *, has_item_file: bool) -> str:
    """Return the command that makes a dataset again.

    Args:
        manifest: of the dataset.
        has_item_file: its items have more than an id and a count.
    """
    given, name = manifest.parameters, manifest.dataset
    source = find_named_source(name)
    filters = Filters()
    if source is not None:
        spec = load_dataset_spec(source)
        filters, variant = spec.filters, str(given.get("variant") or "")
        filters = spec.variants[variant].filters if variant in spec.variants else filters
        same = tuple(given.get("where") or ()) == tuple(filters.where or ())
        reading = {"variant": variant or None, "where": [] if same else list(given.get("where") or [""])}
    else:
        source, reading = _read_own_file(manifest, has_item_file=has_item_file)
    usual = settle(PreprocessOptions(), None, dataclasses.replace(filters, split=None)).parameters()
    usual["split"] = filters.split
    cut = {key: _moment(key, given.get(key)) for key in _CUT if given.get(key) != usual.get(key)}
    return command_anywhere("preprocess", source, **reading, **cut)


def _read_own_file(manifest: Manifest, *, has_item_file: bool) -> tuple[str, dict[str, Any]]:
    """Return the first file that a data set of no named source was made from, and the options that read it."""
    given, name = manifest.parameters, manifest.dataset
    files = [str(source.get("name")) for source in manifest.sources if source.get("name") != given.get("join")]
    origin = manifest.sources[0]
    asked = {key: origin.get(key_there) for key, key_there in (("sql", "query"), ("database", "database"))}
    return name if asked["sql"] else files[0], {
        **asked,
        "name": None if asked["sql"] or Path(files[0]).name.split(".")[0] == name else name,
        "items": files[1] if has_item_file and len(files) == 2 else None,
        **{key: given.get(key) for key in _READING},
        "where": list(given.get("where") or ()),
        "keep_blanks": given.get("keep_blanks") or None,
    }


def train_command(metadata: CheckpointMetadata) -> str:
    """Return the command that trains all stages of a model as the last one's checkpoint says."""
    model = metadata.model
    return command_anywhere(
        "train",
        metadata.dataset,
        model=None if model == "adrec" else model,
        set=_list_changed_settings(metadata),
        threads=metadata.threads,
    )


def evaluate_command(evaluation: Evaluation) -> str:
    """Return the command that measures a model again."""
    place = find_checkpoint_place(evaluation)
    path = f"workspace/{evaluation.dataset}/{place}" if place else evaluation.model
    part = next((part for part in evaluation.protocol.split("/") if part in ("valid", "test")), "test")
    sampled = next((piece for piece in evaluation.protocol.split("/") if piece.startswith("sampled-")), "")
    drawn = sampled.removeprefix("sampled-") or None
    return command_anywhere(
        "evaluate",
        path,
        dataset=evaluation.dataset,
        part=None if part == "test" else part,
        negatives=evaluation.negatives_source if evaluation.negatives_sha256 else drawn,
        mask_seen=evaluation.mask_seen or None,
        protocol="cold-items" if "cold-items" in evaluation.protocol.split("/") else None,
        beyond_accuracy=True if evaluation.beyond_accuracy else None,
        seed=evaluation.seed or None,
        **find_unusual_sampling(evaluation.sampling),
    )


def seeds_command(metadata: CheckpointMetadata, count: int) -> str:
    """Return the command that trains and evaluates a model with several seeds.

    Args:
        metadata: of the last stage with the lowest seed.
        count: of seeds, each one above the last.
    """
    return command_anywhere(
        "compare",
        metadata.dataset,
        models=metadata.model,
        seeds=count,
        set=_list_changed_settings(metadata),
        threads=metadata.threads,
    )


def _list_changed_settings(metadata: CheckpointMetadata) -> list[str]:
    """Return the options of a training that are not those of its data set's recipe."""
    tables = {"model": metadata.config, **metadata.training}
    usual = compose(metadata.model, inherited=find_recipe(metadata.dataset, metadata.model)).tables()
    return as_settings(_differing(tables, usual))


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


def _moment(key: str, value: Any) -> Any:
    """Return microseconds as the time that one types, with its zone: a date alone is meant in that of the data."""
    if key not in ("valid_from", "test_from") or not isinstance(value, int):
        return value
    return moment_text(value)


def versions(metadata: Sequence[CheckpointMetadata]) -> list[str]:
    """Return which versions wrote the checkpoints, each once."""
    return sorted({f"adrec {entry.adrec_version}, torch {entry.torch_version}" for entry in metadata})
