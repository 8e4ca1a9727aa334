"""`adrec plot`: draws what a dataset's folder holds, as PNG, SVG and PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.atomic import write_bytes
from adrec_cli.artifacts.outputs import require_free_output
from adrec_cli.artifacts.steadily import list_told, read_steadily
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import ArtifactError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.loading.opening import open_dataset
from adrec_cli.pictures.drawing import PicturesSkipped, draw_kinds
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pictures.picture import Picture
from adrec_cli.runtime import set_threads
from adrec_cli.schema import REPORTS_FOLDER
from adrec_cli.wording import command


@dataclass(frozen=True, kw_only=True)
class PlottedFile:
    """A picture that was written; None for the formats it was not written in, and a note of what it could not say."""

    name: str
    title: str
    about: str
    png: Path | None
    svg: Path | None
    pdf: Path | None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Plotted:
    """What was written, and what there is nothing to draw from."""

    dataset: str
    folder: Path
    formats: list[str]
    pictures: list[PlottedFile]
    skipped: list[PicturesSkipped]


def plot(
    dataset_name: str | None,
    *,
    workspace: Path,
    kinds: Sequence[str] = (),
    out: Path | None = None,
    options: PictureOptions = PictureOptions(),
    threads: int | None = None,
    on_event: OnEvent = ignore,
) -> Plotted:
    """Draw pictures of a dataset's models and write them; the same artifacts give the same bytes.

    Args:
        dataset_name: None takes the only one in the workspace.
        workspace: where datasets are.
        kinds: of `KINDS`; none: all for which there is something to draw.
        out: folder to write to; None takes the dataset's reports.
        options: what the pictures show, how they look, and the formats.
        threads: of the CPU; None leaves PyTorch's default.
        on_event: called with `PicturesStarted` and `PicturesSkipped`.

    Raises:
        UsageError: an unknown kind or font, the folder is for artifacts only, or matplotlib or scikit-learn is not
            installed.
        ArtifactError: something is damaged, or there is nothing to draw.
    """
    if out is not None:
        require_free_output(out / "picture.svg")
    options.require_font()
    set_threads(threads)
    place = Workspace(workspace).dataset_folder(dataset_name)
    folder = out or place / REPORTS_FOLDER

    def draw() -> tuple[str, list[Picture | PicturesSkipped]]:
        dataset = open_dataset(place)
        return dataset.manifest.dataset, list(draw_kinds(dataset, kinds, options, on_event))

    # Nothing is locked: a run may change what is drawn, one thing after the other.
    name, drawn = read_steadily(lambda: list_told(place), draw)
    skipped = [one for one in drawn if isinstance(one, PicturesSkipped)]
    written = [_write(one, folder, options.written_formats) for one in drawn if not isinstance(one, PicturesSkipped)]
    if not written:
        raise ArtifactError(
            f"there is nothing to draw of {name}: {skipped[0].reason}",
            hint=f"train first: {command('run', name)}",
        )
    return Plotted(dataset=name, folder=folder, formats=options.written_formats, pictures=written, skipped=skipped)


def _write(picture: Picture, folder: Path, formats: Sequence[str]) -> PlottedFile:
    paths = {kind: folder / f"{picture.name}.{kind}" for kind in formats}
    for kind, path in paths.items():
        write_bytes(path, picture.encode(kind))
    return PlottedFile(
        name=picture.name,
        title=picture.title,
        about=picture.about,
        png=paths.get("png"),
        svg=paths.get("svg"),
        pdf=paths.get("pdf"),
        note=picture.note,
    )
