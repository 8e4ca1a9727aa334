"""Options of an evaluation: negatives that are typed as a number, a file or a name, and looked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adrec_cli.cli.completion import DEFAULT_WORKSPACE
from adrec_cli.cli.options.declared import Declared
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.options import EvaluationOptions

Evaluating = Declared[EvaluationOptions]


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
    on_event: Callable[[object], None] = lambda event: None

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
                hint=f"--negatives {dataset}:{part}",
            )
        fetching = Fetching(offline=os.environ.get("ADREC_OFFLINE", "") not in ("", "0"))
        found = find_negatives(
            text, workspace=self.workspace, raw=self.raw, fetching=fetching, on_event=self.on_event
        )  # fmt: skip
        return found.path, text


def build_evaluation(given: Evaluating, looking: Looking, **instead: Any) -> EvaluationOptions:
    """Return what was typed of an evaluation; published negatives are downloaded if they are nowhere.

    Args:
        given: what was typed.
        looking: for negatives that are not drawn.
        instead: fields in place of what was typed.

    Raises:
        UsageError: negatives that name none, or those of another part.
    """
    text = given.values["negatives"]
    if text is None or text.isdecimal():
        return given.options(negatives=int(text or 0), **instead)
    if text.startswith("-"):
        raise UsageError(f"--negatives {text} is neither a number nor a file", hint="for example 99")
    part = instead.get("part") or given.values.get("part") or EvaluationOptions.part
    file, name = looking.find(text, part) if text else (None, "")
    return given.options(negatives=0, negatives_file=file, negatives_name=name, **instead)
