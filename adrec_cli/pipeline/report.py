"""`adrec report`: one self-contained page about a dataset, its models, and how to get them again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.atomic import file_sha256, write_bytes
from adrec_cli.artifacts.outputs import require_free_output, require_no_source
from adrec_cli.artifacts.steadily import list_told, read_steadily
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import ArtifactError, InputError, UsageError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.inspecting.inspection import Inspection, inspect_embeddings
from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.opening import open_dataset
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.reporting.examples import Examples, make_examples
from adrec_cli.reporting.material import Material, gather_material
from adrec_cli.reporting.page import page
from adrec_cli.reporting.pictures import Pictures, draw_pictures
from adrec_cli.runtime import set_threads
from adrec_cli.schema import REPORTS_FOLDER

REPORT_FILE = "report.html"


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A page that was written.

    Attributes:
        dataset, path, sha256, size: of the page; size in bytes.
        models, evaluations, sweeps: it tells of.
        pictures: in it.
        without_pictures: why there are none; "" if there are.
        left_out: one line for each artifact that is damaged or of other data.
    """

    dataset: str
    path: Path
    sha256: str
    size: int
    models: list[str]
    evaluations: int
    sweeps: int
    pictures: int
    without_pictures: str
    left_out: list[str]


def report(
    dataset_name: str | None,
    *,
    workspace: Path,
    out: Path | None = None,
    pictures: bool = True,
    threads: int | None = None,
    on_event: OnEvent = ignore,
) -> Reported:
    """Write a page with data, trainings, results, sweeps, item vectors, and the commands that make it all again.

    Nothing is trained or evaluated: the page says what is there, and what the model recommends after a few items. The
    same artifacts give the same bytes.

    Args:
        dataset_name: None takes the only one in the workspace.
        workspace: where datasets are.
        out: file to write; None takes `report.html` in the dataset's reports.
        pictures: draw them, where matplotlib is installed.
        threads: of the CPU; None leaves PyTorch's default.
        on_event: called with the pictures that are drawn.

    Raises:
        UsageError: the file is an artifact.
        ArtifactError: the dataset is missing or damaged; what else is damaged is left out, and noted in the page.
        StorageError: the file system refused.
    """
    if out is not None:
        require_free_output(out)
    set_threads(threads)
    folder = Workspace(workspace).dataset_folder(dataset_name)

    def make() -> tuple[Material, Pictures, bytes]:
        dataset = open_dataset(folder)
        if out is not None:
            require_no_source(out, dataset.manifest.sources)
        material = gather_material(dataset)
        shown = draw_pictures(dataset, on_event) if pictures else Pictures(missing="not asked for")
        return material, shown, page(material, shown, _inspect(material, workspace), _recommend(material, workspace))

    # Nothing is locked: a run may change one thing after the other meanwhile.
    material, shown, content = read_steadily(lambda: list_told(folder), make)
    dataset = material.dataset
    path = out or dataset.folder / REPORTS_FOLDER / REPORT_FILE
    write_bytes(path, content)
    return Reported(
        dataset=dataset.manifest.dataset,
        path=path,
        sha256=file_sha256(path),
        size=len(content),
        models=list(material.models),
        evaluations=len(material.evaluations),
        sweeps=len(material.sweeps),
        pictures=sum(map(len, shown.by_kind.values())),
        without_pictures=shown.missing,
        left_out=material.left_out,
    )


def _recommend(material: Material, workspace: Path) -> Examples | None:
    """Return examples of the model that `recommend` takes, or of the first one trained; None where there is none."""
    if not material.models:
        return None
    promoted = [name for name, stages in material.models.items() if any(stage.promoted for stage in stages)]
    models = promoted or list(material.models)
    model = DEFAULT_MODEL if DEFAULT_MODEL in models else models[0]
    try:
        name = material.dataset.folder.name
        opening = Opening(workspace=workspace, dataset_name=name, model=model, device="cpu", threads=None, exact=True)
        return make_examples(opening.open())
    except (ArtifactError, InputError, UsageError) as error:
        material.left_out.append(f"no example recommendations: {error.message}")
        return None


def _inspect(material: Material, workspace: Path) -> Inspection | None:
    """Return the figures of the last stage of each model that is whole; None where there is none."""
    folder = material.dataset.folder
    last = [str(folder / stages[-1].path) for stages in material.models.values() if stages[-1].fits]
    if not last:
        return None
    try:
        return inspect_embeddings(last, workspace=workspace, dataset_name=folder.name)
    except (ArtifactError, InputError) as error:
        material.left_out.append(error.message)
        return None
