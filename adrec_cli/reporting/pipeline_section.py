"""How the models were made: every stage with its checkpoint's hash, what it started from, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence

from adrec_cli.loading.opening import Dataset
from adrec_cli.pages.markup import Content, Html, element, join, paragraph, section, sha, table
from adrec_cli.reporting.material import Material, StageTold
from adrec_cli.wording import command_anywhere


def pipeline_section(material: Material, pictures: Sequence[Html]) -> Html:
    """Return the section about trained models, with pictures of their trainings."""
    if not material.models:
        name = material.dataset.manifest.dataset
        return section("pipeline", "Pipeline", paragraph(f"Nothing is trained yet: {command_anywhere('train', name)}"))
    columns = ["stage", "epochs", "kept", "trained", "validation", "started from", "checkpoint", "state"]
    rows = [_row(model, stage, stages) for model, stages in material.models.items() for stage in stages]
    about = (
        "Every checkpoint names by SHA-256 the data it was trained on and the checkpoint it started from. “Kept” is "
        "the epoch whose weights were handed on."
    )
    return section(
        "pipeline",
        "Pipeline",
        paragraph(about),
        _data(material.dataset),
        table(columns, rows, right=["epochs", "kept", "trained", "validation"]),
        *pictures,
    )


def _data(dataset: Dataset) -> Html:
    manifest = dataset.manifest
    return paragraph(
        "Data: sequences ", sha(manifest.sequences_sha256), ", items ", sha(manifest.items_sha256),
        f", made by adrec {manifest.adrec_version}.",
    )  # fmt: skip


def _row(model: str, stage: StageTold, stages: Sequence[StageTold]) -> list[Content]:
    metadata = stage.metadata
    metrics = metadata.metrics
    monitor = str(metrics.get("monitor", ""))
    value = metrics.get("values", {}).get(monitor)
    return [
        f"{model} {metadata.stage}",
        f"{stage.epochs:,}" if stage.epochs else "",
        f"{metadata.epoch:,}",
        duration(stage.seconds) if stage.epochs else "",
        "" if value is None else f"{monitor.upper()} {value:.4f}",
        _parent(metadata.parent_sha256, stages),
        sha(stage.sha256),
        _state(stage),
    ]


def _parent(parent_sha256: str, stages: Sequence[StageTold]) -> Content:
    if not parent_sha256:
        return "fresh weights"
    name = next((one.metadata.stage for one in stages if one.sha256 == parent_sha256), "")
    return join([f"{name} " if name else "", sha(parent_sha256)])


def _state(stage: StageTold) -> Content:
    if not stage.fits:
        return element("span", "trained on other data", class_="bad")
    return element("span", "promoted", class_="good") if stage.promoted else "of this data"


def duration(seconds: float) -> str:
    """Return seconds as people read them: 7 s, 12 min 34 s, 1 h 02 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
