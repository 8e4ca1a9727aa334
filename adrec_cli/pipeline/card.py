"""`adrec card`: a model card in the form of the Hugging Face Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.atomic import write_bytes
from adrec_cli.artifacts.outputs import require_free_output, require_no_source
from adrec_cli.artifacts.steadily import list_told, read_steadily
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.opening import open_dataset
from adrec_cli.models.registry import DEFAULT_MODEL, MODELS
from adrec_cli.reporting.card import Described, write_card
from adrec_cli.reporting.material import Material, StageTold, gather_material
from adrec_cli.schema import REPORTS_FOLDER
from adrec_cli.wording import command, option


@dataclass(frozen=True, kw_only=True)
class Card:
    """A card that was written.

    Attributes:
        dataset, model, stage, checkpoint_sha256: what it is about.
        path: of the card.
        evaluations: it has figures of.
        left_out: one line for each artifact that is damaged or of other data.
    """

    dataset: str
    model: str
    stage: str
    checkpoint_sha256: str
    path: Path
    evaluations: int
    left_out: list[str]


def card(
    dataset_name: str | None,
    *,
    model_name: str | None = None,
    workspace: Path,
    out: Path | None = None,
    licence: str = "",
) -> Card:
    """Write what is known of a model: data, training, figures, limits, and how to make it again.

    It is about the stage that was promoted, or else the last one that was trained. Nothing is computed.

    Args:
        dataset_name: None takes the only one in the workspace.
        model_name: None takes the only one that was trained.
        workspace: where datasets are.
        out: file to write; None takes `card-MODEL.md` in the dataset's reports.
        licence: of the weights, an identifier of the Hub such as "mit"; "" leaves it open.

    Raises:
        UsageError: several models are trained and none is named, or the licence is no identifier.
        ArtifactError: the dataset is missing or damaged, or no model of it can be described.
        StorageError: the file system refused.
    """
    if not re.fullmatch("[a-z0-9.-]*", licence):
        raise UsageError(f"{option('licence')} must be an identifier, got {licence!r}", hint=option("licence", "mit"))
    if out is not None:
        require_free_output(out)
    folder = Workspace(workspace).dataset_folder(dataset_name)
    material = read_steadily(lambda: list_told(folder), lambda: gather_material(open_dataset(folder)))
    dataset = material.dataset
    if out is not None:
        require_no_source(out, dataset.manifest.sources)
    name = model_name or _find_only_model(material)
    described = Described(material=material, stages=_choose_stages(material, name), licence=licence)
    path = out or dataset.folder / REPORTS_FOLDER / f"card-{name}.md"
    write_bytes(path, write_card(described).encode())
    return Card(
        dataset=dataset.manifest.dataset,
        model=name,
        stage=described.stage.metadata.stage,
        checkpoint_sha256=described.stage.sha256,
        path=path,
        evaluations=len(list(described.groups())),
        left_out=material.left_out,
    )


def _find_only_model(material: Material) -> str:
    names = list(material.models)
    if len(names) > 1:
        raise UsageError(f"several models are trained: {', '.join(names)}", hint=option("model", names[0]))
    if not names:
        raise ArtifactError("no model is trained", hint=command("train", material.dataset.manifest.dataset))
    return names[0]


def _choose_stages(material: Material, name: str) -> list[StageTold]:
    """Return the stages up to the one a card is about: the promoted one, or else the last that fits the data."""
    stages = material.models.get(name, [])
    fitting = [number for number, stage in enumerate(stages) if stage.fits]
    promoted = [number for number in fitting if stages[number].promoted]
    if not fitting:
        dataset = material.dataset.manifest.dataset
        raise ArtifactError(
            f"no model {name!r} is trained on the current data of {dataset}",
            hint=command("train", dataset, model=name if name in MODELS and name != DEFAULT_MODEL else None),
        )
    return stages[: (promoted or fitting)[-1] + 1]
