"""The command that makes a data set's item vectors once more, with all that was asked for when they were made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adrec_cli.schema import TRAIN_EVENTS
from adrec_cli.wording import command

GIVEN = "vectors"
"""The encoder of vectors from a file, which no option names."""


def encode_again(
    dataset: str, encoders: Iterable[tuple[str, Sequence[str], int]], files: Sequence[str], width: int | None
) -> str:
    """Return the command that fits the same encoders to a data set as it is now.

    Args:
        dataset: its name.
        encoders: name, columns and width of each.
        files: paths of vectors from elsewhere.
        width: that was asked for; None where an earlier version did not write it down: the widest is taken for it.
    """
    fitted = [one for one in encoders if one[0] != GIVEN]
    names = [name if TRAIN_EVENTS in columns else f"{name}={','.join(columns)}" for name, columns, _ in fitted]
    if fitted and width is None:
        width = max(made for _, _, made in fitted)
    return command("encode", dataset, encoder=names, vectors=list(files), width=width if fitted else None)
