"""The best items of one user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """The best items of one user, best first.

    Attributes:
        items: item indices; scores: theirs.
    """

    items: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
