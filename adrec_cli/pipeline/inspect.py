"""`adrec inspect`: what the item vectors of trained models look like, beside each other and beside noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adrec_cli.inspecting.inspection import Inspection, inspect_embeddings
from adrec_cli.inspecting.options import InspectOptions


def inspect(
    names: Sequence[str] = (),
    *,
    workspace: Path,
    dataset_name: str | None = None,
    options: InspectOptions = InspectOptions(),
) -> Inspection:
    """Measure the item vectors of checkpoints: arguments and errors as `inspect_embeddings`."""
    return inspect_embeddings(names, workspace=workspace, dataset_name=dataset_name, options=options)
