"""Negatives that are given as a file, or by the name under which they were published."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.workspace import DEFAULT_WORKSPACE
from adrec_cli.errors import UsageError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Where published negatives are looked for, and who is called with the progress of their download.

    Attributes:
        raw: folder with raw files.
        workspace: of the run.
        on_event: gets the progress of a download.
    """

    raw: Path | None = None
    workspace: Path = DEFAULT_WORKSPACE
    on_event: OnEvent = ignore

    def find(self, text: str, part: str) -> tuple[Path, str]:
        """Return the file of negatives that a text names, and what reports call it.

        Raises:
            UsageError: it names published negatives of another part.
        """
        from adrec_cli.data.fetching import Fetching
        from adrec_cli.data.named_datasets import load_dataset_spec
        from adrec_cli.data.named_negatives import find_negatives, names_negatives

        if not names_negatives(text):
            return Path(text), ""
        dataset, _, named = text.rpartition(":")
        if named != part and named in load_dataset_spec(dataset).negatives:
            raise UsageError(
                f"{text} has the negatives of {named}, but items of {part} are ranked",
                hint=option("negatives", f"{dataset}:{part}"),
            )
        fetching = Fetching(offline=os.environ.get("ADREC_OFFLINE", "") not in ("", "0"))
        found = find_negatives(
            text, workspace=self.workspace, raw=self.raw, fetching=fetching, on_event=self.on_event
        )  # fmt: skip
        return found.path, text
