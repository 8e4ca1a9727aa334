"""`adrec status`: what is in a workspace, what is current, out of date or unfinished, and what to type next.

Only manifests and the headers of checkpoints are read, so that it answers at once; `adrec verify` looks at all else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import ArtifactError
from adrec_cli.inspecting.dataset_status import DatasetStatus, describe_dataset
from adrec_cli.inspecting.model_status import DAMAGED, LOCKED, UP_TO_DATE, NextStep
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.schema import MANIFEST_FILE
from adrec_cli.wording import command, option


@dataclass(frozen=True, kw_only=True)
class WorkspaceStatus:
    """What is in a workspace.

    Attributes:
        workspace: where was looked.
        note: why nothing was found there; "" where something was.
        datasets: by name.
        next: what to type, the most urgent first.
    """

    workspace: Path
    note: str
    datasets: list[DatasetStatus]
    next: list[NextStep]


def status(workspace: Path, *, named: Path | None = None) -> WorkspaceStatus:
    """Return what is in a workspace; nothing is changed or locked.

    Args:
        workspace: a folder, which may be missing.
        named: the workspace as commands must name it; None where they find it by themselves.

    Raises:
        ArtifactError: the folder is none of a workspace, or was named and is missing.
    """
    found = (describe_dataset(workspace / name, named) for name in Workspace(workspace).datasets())
    # One that is gone since it was listed is not damaged.
    datasets = [one for one in found if one.state != DAMAGED or (workspace / one.name / MANIFEST_FILE).exists()]
    if not datasets:
        return WorkspaceStatus(
            workspace=workspace, note=_explain_nothing(workspace, named), datasets=[], next=_first_steps(named)
        )
    return WorkspaceStatus(workspace=workspace, note="", datasets=datasets, next=list(_next_steps(datasets, named)))


def _explain_nothing(workspace: Path, named: Path | None) -> str:
    """Return why there is no data set; what is not a workspace at all is an error.

    Raises:
        ArtifactError: see `status`.
    """
    ways = f"{command('run', 'demo', workspace=named)}, or name another folder with {option('workspace', 'DIR')}"
    where = workspace.absolute()
    if (workspace / MANIFEST_FILE).is_file():
        raise ArtifactError(
            f"{where} is the folder of a data set, not a workspace", hint=command("status", workspace=where.parent)
        )
    if workspace.exists() and not workspace.is_dir():
        raise ArtifactError(f"{where} is a file, not a workspace", hint=ways)
    if Workspace(Path()).datasets():
        raise ArtifactError(
            f"no data set in {where}, but there are some in the folder you are in",
            hint=command("status", workspace="."),
        )
    if named is not None and not workspace.exists():
        raise ArtifactError(f"{where} does not exist", hint=ways)
    return f"nothing here yet: no data set in {where}" + ("" if workspace.exists() else ", which does not exist")


def _first_steps(named: Path | None) -> list[NextStep]:
    return [
        NextStep(command=command("run", "demo", workspace=named), why="try it on generated data: no file, no network"),
        NextStep(command=command("preprocess", "FILE", workspace=named), why="your own interactions, to train on"),
    ]


def _next_steps(datasets: Iterable[DatasetStatus], named: Path | None) -> Iterator[NextStep]:
    """Yield what to type: what fixes, then what goes on, then what can be done with what is there."""
    datasets = list(datasets)
    for one in datasets:
        if one.state == DAMAGED:
            yield NextStep(command=command("verify", workspace=named), why=f"{one.name} is damaged")
        elif not one.models and one.state != LOCKED:
            yield NextStep(command=command("train", one.name, workspace=named), why=f"{one.name} has no model yet")
    yield from (model.next for one in datasets for model in one.models if model.next is not None)
    for one in datasets:
        whole = [model for model in one.models if model.state == UP_TO_DATE and model.next is None]
        if not whole or one.state != UP_TO_DATE:
            continue
        if len(whole) > 1:
            yield NextStep(
                command=command("compare", one.name, workspace=named), why="the models side by side, with intervals"
            )
        # Who trains nothing but a baseline has no model that recommends unless he names it.
        model = None if any(one.name == DEFAULT_MODEL for one in whole) else whole[-1].name
        yield NextStep(
            command=command(
                "recommend",
                dataset=one.name,
                model=model,
                all=True,
                out=f"{one.name}-recommendations.csv",
                workspace=named,
            ),
            why="lists for all users",
        )
