"""The options that every model with item vectors has, and the table they make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adrec_cli.config import require_at_least, require_one_of
from adrec_cli.errors import UsageError
from adrec_cli.layers.names import COMPUTED, CONTENTS

if TYPE_CHECKING:
    from adrec_cli.layers.embedding import ItemEmbedding

MOST_CONTENT = 16_384

_ELSEWHERE: ContextVar[bool] = ContextVar("item vectors elsewhere", default=False)


@contextmanager
def item_vectors_elsewhere() -> Iterator[None]:
    """Let the models that are built meanwhile have no memory for item vectors: these come from another process."""
    token = _ELSEWHERE.set(True)
    try:
        yield
    finally:
        _ELSEWHERE.reset(token)


@dataclass(frozen=True, kw_only=True)
class ItemTableConfig:
    """Options of item vectors.

    Attributes:
        content: what `adrec encode` made of the items' columns as part of their vectors: "none"; "init", they begin
            with it; "sum", it is turned and added to vectors of their own; "adapter", it goes through a small network
            and a gate and is added; "only", that network's output alone, so that other items, or another catalogue,
            can be recommended.
        content_width: entries of the content, which the data set says; 0 with "none" and "init".
    """

    content: str = "none"
    content_width: int = 0

    def __post_init__(self) -> None:
        require_one_of(self, "content", CONTENTS, table="model")
        require_at_least(self, 0, "content_width", table="model")
        if self.content_width > MOST_CONTENT:
            raise UsageError(f"model.content_width must be at most {MOST_CONTENT:,}, got {self.content_width:,}")

    @property
    def computes_item_vectors(self) -> bool:
        """Whether item vectors are computed from content at every step."""
        return self.content in COMPUTED

    def item_table(self, items: int, width: int) -> ItemEmbedding:
        """Return the vectors of V items of D entries."""
        from adrec_cli.layers.embedding import ItemEmbedding

        device = "meta" if _ELSEWHERE.get() else None
        return ItemEmbedding(items, width, content=self.content, content_width=self.content_width, device=device)
