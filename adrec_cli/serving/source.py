"""Where the models that are served come from: a data set of a workspace, and what is promoted in it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.promotion import read_current
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.trained import models_in
from adrec_cli.models.registry import DEFAULT_MODEL, MODELS
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.schema import CURRENT_FILE
from adrec_cli.serving.nights_file import NightsFile
from adrec_cli.serving.options import ServeOptions
from adrec_cli.serving.posted_items import PostedItems, Row
from adrec_cli.serving.served_model import ServedModel
from adrec_cli.serving.watched_file import WatchedFile
from adrec_cli.wording import command, option

if TYPE_CHECKING:
    from adrec_cli.serving.server_parts import MakePages


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """Where the model that is served comes from.

    Attributes:
        workspace, folder: of the data set.
        model: a model's name, or path or bare name of a checkpoint; None for what is current.
        options: how to serve.
        posted: items that were sent to the server.
    """

    workspace: Path
    folder: Path
    model: str | None
    options: ServeOptions
    posted: PostedItems = field(default_factory=PostedItems)

    def load(self) -> ServedModel:
        """Return the model there is now, ready to answer."""
        return self._load(self.posted.path)

    def load_with(self, rows: Sequence[Row]) -> ServedModel:
        """Return that model with more items, which it has from now on."""
        with self.posted.adding(rows) as path:
            return self._load(path)

    def _load(self, posted_items: Path | None) -> ServedModel:
        options = self.options
        opening = Opening.of(self.workspace, self.folder.name, self.model, options)
        return ServedModel(opening.open(posted_items=posted_items), options.drawn, options.merging)

    def make_pages(self, beside: ServedModel | None) -> MakePages:
        """Return what makes the pages."""
        from adrec_cli.serving.ui.pages import Pages

        nights, limits = NightsFile(self.folder), self.options.limits
        return lambda ask, model: Pages(ask, model, nights, limits, beside).routes()

    def load_beside(self) -> ServedModel | None:
        """Return the model that pages show beside the one that is served; None for none."""
        options = self.options
        if options.beside is None:
            return None
        other = Opening(
            workspace=self.workspace, dataset_name=self.folder.name, model=options.beside, device=options.device,
            threads=options.threads,
        )  # fmt: skip
        return ServedModel(other.open(), FAST_SAMPLING)

    def has_changed(self, served: ServedModel) -> bool:
        """Return whether another model, other data or other new items are there than are served."""
        recommender = served.recommender
        if read_manifest(self.folder).sequences_sha256 != recommender.sequences_sha256:
            return True
        new_items = self._new_items
        if new_items is not None and new_items.sha256() not in ("", recommender.new_items.sha256):
            return True
        if self.model is not None and self.model not in MODELS:
            return False  # this very checkpoint was asked for
        current = read_current(self.folder / recommender.checkpoint.metadata.model)
        return current is not None and current.sha256 != recommender.checkpoint.sha256

    @functools.cached_property
    def _new_items(self) -> WatchedFile | None:
        return None if self.options.new_items is None else WatchedFile(self.options.new_items)


@dataclass(frozen=True, kw_only=True)
class DatasetListing:
    """The data sets of a workspace that are served.

    Attributes:
        workspace: where they are.
        named: those that were asked for; empty for all that have a promoted model.
        model: name of the model that answers for each; None for the promoted one.
    """

    workspace: Path
    named: tuple[str, ...] = ()
    model: str | None = None

    def names(self) -> list[str]:
        """Return their names, sorted."""
        if self.named:
            return sorted(set(self.named))
        there = Workspace(self.workspace).datasets()
        return [name for name in there if self._find_promoted(name)]

    def require_any(self) -> None:
        """Raise unless there is something to serve.

        Raises:
            ArtifactError: a data set that was asked for is not there, or none has a promoted model.
        """
        space = Workspace(self.workspace)
        for name in self.named:
            space.dataset_folder(name)
        if not self.names():
            first = next(iter(space.datasets()), "demo")
            raise ArtifactError(
                f"no data set in {self.workspace} has a promoted model{f' {self.model}' if self.model else ''}",
                hint=f"promote one with: {command('run', first, model=self.model)}",
            )

    def find_gone(self, served: Sequence[str]) -> list[str]:
        """Return those that are no longer there and that nobody asked for by name."""
        there = Workspace(self.workspace).datasets()
        return [] if self.named else [name for name in served if name not in there]

    def model_of(self, name: str) -> str | None:
        """Return the model that answers for one; None for what is current.

        Raises:
            UsageError: several are promoted, and not the one this tool is for.
        """
        if self.named or self.model:
            return self.model
        promoted = self._find_promoted(name)
        if len(promoted) > 1 and DEFAULT_MODEL not in promoted:
            raise UsageError(
                f"{name} has several promoted models: {', '.join(promoted)}",
                hint=f"say which one with {option('model')}",
            )
        return next((model for model in promoted if len(promoted) == 1), DEFAULT_MODEL)

    def _find_promoted(self, name: str) -> list[str]:
        folder = self.workspace / name
        asked = models_in(folder) if self.model is None else [self.model]
        return [model for model in asked if (folder / model / CURRENT_FILE).is_file()]
