"""Where artifacts are: datasets, their models, and names looked up among them."""

from __future__ import annotations

import difflib
import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.schema import CHECKPOINT_SUFFIX, MANIFEST_FILE, STATE_SUFFIX
from adrec_cli.wording import command, option

WORKSPACE_VARIABLE: Final = "ADREC_WORKSPACE"
DEFAULT_WORKSPACE: Final = Path("workspace")


def find_own_workspace() -> Path:
    """Return the workspace of whoever names none: what the environment says, else ./workspace."""
    return Path(os.environ.get(WORKSPACE_VARIABLE) or DEFAULT_WORKSPACE)


@dataclass(frozen=True)
class Workspace:
    """A folder of datasets.

    Attributes:
        root: usually `./workspace`.
    """

    root: Path

    def datasets(self) -> list[str]:
        """Return the names of the preprocessed datasets, sorted."""
        return sorted(path.parent.name for path in matching_paths(self.root, f"*/{MANIFEST_FILE}"))

    def dataset_folder(self, name: str | None) -> Path:
        """Return the folder of a dataset; without a name, of the only one there is.

        Raises:
            ArtifactError: it is not there, or there is none.
            UsageError: no name was given and there are several.
        """
        known = self.datasets()
        if name is None:
            if len(known) > 1:
                raise UsageError(
                    f"{self.root} holds several datasets: {', '.join(known)}",
                    hint=f"say which one with {option('dataset', 'NAME')}",
                )
            if not known:
                raise self._empty("data set")
            name = known[0]
        if name not in known:
            there = f"; available: {', '.join(known)}" if known else ""
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            guess = f"did you mean {near[0]}? Or " if near else ""
            raise ArtifactError(
                f"dataset {name!r} is not in {self.root}{there}",
                hint=f"{guess}make it with: {command('preprocess', name)}",
            )
        return self.root / name

    def find_checkpoint(self, name: str, dataset: str | None = None) -> Path:
        """Return the checkpoint of a path or of a bare name such as `finetune.safetensors`.

        Args:
            name: a path, or a file name with or without its suffix.
            dataset: look only there.

        Raises:
            ArtifactError: there is none.
            UsageError: several have that name; the candidates are listed.
        """
        given = Path(name)
        if given.is_file():
            return given
        if given.parent != Path():
            raise ArtifactError(f"{given} does not exist", hint="check the path")
        if dataset is not None:
            self.dataset_folder(dataset)
        file_name = name if name.endswith(CHECKPOINT_SUFFIX) else name + CHECKPOINT_SUFFIX
        folder = "*" if dataset is None else glob.escape(dataset)
        found = sorted(matching_paths(self.root, f"{folder}/*/{glob.escape(file_name)}"))
        if not found:
            there = self.checkpoints(dataset)
            if there:
                listed = ", ".join(str(path.relative_to(self.root)) for path in there)
                raise ArtifactError(f"no checkpoint {file_name} in {self.root}", hint=f"available: {listed}")
            known = self.datasets() if dataset is None else [dataset]
            if not known:
                raise self._empty(f"checkpoint {file_name}")
            raise ArtifactError(
                f"no checkpoint {file_name} in {self.root}: no model has been trained",
                hint=f"train one with: {command('train', known[0])}",
            )
        if len(found) > 1:
            listed = ", ".join(str(path) for path in found)
            raise UsageError(
                f"{file_name} is ambiguous: {listed}", hint=f"give one of these paths, or {option('dataset', 'NAME')}"
            )
        return found[0]

    def _empty(self, wanted: str) -> ArtifactError:
        """Return an error that says where was looked, and the two ways on: make something, or look elsewhere."""
        missing = "" if self.root.exists() else ", which does not exist"
        elsewhere = f"say where yours are with {option('workspace', 'DIR')}"
        return ArtifactError(
            f"no {wanted} in {self.root.absolute()}{missing}",
            hint=f"try generated data with: {command('run', 'demo')} (or {elsewhere})",
        )

    def checkpoints(self, dataset: str | None = None) -> list[Path]:
        """Return all checkpoints, sorted by path."""
        folder = "*" if dataset is None else glob.escape(dataset)
        paths = matching_paths(self.root, f"{folder}/*/*{CHECKPOINT_SUFFIX}")
        return sorted(path for path in paths if not path.name.endswith(STATE_SUFFIX))
