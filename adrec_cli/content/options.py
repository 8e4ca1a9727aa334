"""How items become vectors: what a user can choose."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.choices import choice, require_allowed
from adrec_cli.data.addresses import show_path
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

MOST_WIDTH: Final = 4_096
WIDTH: Final = 128
"""Entries of an encoder's vectors at most, unless another number is asked for."""


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """How items become vectors.

    Attributes:
        encoders: such as "tfidf=title,description"; () chooses by what the columns hold, unless vectors are given.
        vectors: files with vectors of another program.
        width: entries that each encoder gives at most.
        like: another data set, whose encoders are taken as they are, so that a model trained there fits.
    """

    encoders: tuple[str, ...] = choice(
        (),
        list[str],
        "Encoder and the columns it reads: tfidf, wordllama, categories or numbers; or cooccurrence, which reads train "
        "events; repeatable. "
        "[default: by what the columns hold]",
        key="encoder",
        metavar="NAME[=COLUMNS]",
        known=("tfidf", "wordllama", "categories", "numbers", "cooccurrence"),
    )
    vectors: tuple[Path, ...] = choice(
        (),
        list[Path],
        "Vectors made by another program, by item id: .parquet, .npy or .safetensors; repeatable.",
        metavar="FILE",
    )
    width: int = choice(WIDTH, int, "Maximum width of each encoder.", metavar="N", least=1, most=MOST_WIDTH)
    like: str | None = choice(None, str, "Data set to take the fitted encoders from.", metavar="DATASET")

    def __post_init__(self) -> None:
        require_allowed(self)
        if self.like is not None and self.encoders:
            raise UsageError(
                "encoders of another data set are taken as they are", hint=f"leave out {option('encoder')}"
            )
        if self.like is not None and self.width != WIDTH:
            raise UsageError("encoders of another data set have their own widths", hint=f"leave out {option('width')}")
        twice = [
            name for name, count in Counter(Path(show_path(path)).name for path in self.vectors).items() if count > 1
        ]
        if twice:
            raise UsageError(f"two files of vectors are called {twice[0]!r}", hint="rename one of them")
