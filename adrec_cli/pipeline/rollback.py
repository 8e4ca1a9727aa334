"""`adrec rollback`: back to the model that was current before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.promotion import Generation, read_current, withdraw
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.opening import open_dataset
from adrec_cli.loading.recommender import open_with_items


@dataclass(frozen=True, kw_only=True)
class RolledBack:
    """What is current now.

    Attributes:
        current: the generation that was gone back to.
        withdrawn: sha256 of the model that is not promoted again.
        earlier: how many generations are left to go back to.
    """

    dataset: str
    model: str
    current: Generation
    withdrawn: str
    earlier: int


def rollback(dataset_name: str | None, *, model_name: str = "adrec", workspace: Path) -> RolledBack:
    """Make the generation before the current one current, after checking that it can be used.

    Args:
        dataset_name: None takes the only one.
        model_name: registered.
        workspace: where datasets are.

    Raises:
        ArtifactError: nothing came before, or it is damaged.
        LockedError: a run is under way.
    """
    dataset_folder = Workspace(workspace).dataset_folder(dataset_name)
    folder = dataset_folder / model_name
    if not folder.is_dir():
        raise ArtifactError(f"{dataset_folder.name} has no model {model_name}", hint=f"adrec run {dataset_folder.name}")
    with exclusive(folder, f"rollback {dataset_folder.name}"):
        before = read_current(folder)
        if before is not None and before.earlier:
            open_with_items(folder / before.earlier[0].checkpoint, open_dataset(dataset_folder))
        current = withdraw(folder)
    return RolledBack(
        dataset=dataset_folder.name,
        model=model_name,
        current=current,
        withdrawn=current.withdrawn[-1],
        earlier=len(current.earlier),
    )
