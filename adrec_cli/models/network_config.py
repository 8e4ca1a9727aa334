"""Options that networks share; a model's file names those it has that are its own, and its paper's defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from adrec_cli.config import require_at_least, require_one_of, require_positive, require_share
from adrec_cli.errors import UsageError
from adrec_cli.layers.names import REPEATS, SCORES, TIMES
from adrec_cli.models.item_table import ItemTableConfig

if TYPE_CHECKING:
    from adrec_cli.layers.comparison import Comparison


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(ItemTableConfig):
    """Options of every network.

    Attributes:
        hidden_size: D.
        max_length: L, the newest items of a history that are used.
        dropout: within the network.
        repeats: what is added to the scores of items of the history: "none", "learned" by how long ago and how often
            they stand there, or "never", which puts them behind all others.
        scores: the "product" of a prediction and an item's vector, or their "cosine" divided by score_temperature,
            with which no item is ahead because its vector is long.
        score_temperature: of "cosine".
    """

    hidden_size: int = 128
    max_length: int = 50
    dropout: float = 0.1
    repeats: str = "none"
    scores: str = "product"
    score_temperature: float = 0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "hidden_size", "max_length", table="model")
        require_share(self, "dropout", table="model")
        require_one_of(self, "repeats", REPEATS, table="model")
        require_one_of(self, "scores", SCORES, table="model")
        require_positive(self, "score_temperature", table="model")

    def comparison(self) -> Comparison:
        """Return how predictions are compared with items."""
        from adrec_cli.layers.comparison import Comparison

        return Comparison(self.scores, self.score_temperature)


@dataclass(frozen=True, kw_only=True)
class AttentionConfig(NetworkConfig):
    """Options of a network of attention.

    Attributes:
        blocks: one behind the other.
        heads: of attention; divides hidden_size.
        even: the width must be even, as that of a timestep's sines and cosines is.
    """

    even: ClassVar[bool] = False
    blocks: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "blocks", "heads", table="model")
        require_divisible(self.hidden_size, self.heads, even=self.even)


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(AttentionConfig):
    """Options of a network of attention over items and positions.

    Attributes:
        embedding_dropout: of the sum of item and position vectors.
        item_dropout: of the item vectors themselves, drawn once a batch, for inputs, targets and negatives alike.
        initializer_range: standard deviation of fresh item and position vectors.
    """

    embedding_dropout: float = 0.3
    item_dropout: float = 0.0
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        require_share(self, "embedding_dropout", "item_dropout", table="model")
        require_positive(self, "initializer_range", table="model")


@dataclass(frozen=True, kw_only=True)
class TimedConfig(NetworkConfig):
    """Options of a network that can read when events were; put in front of the class it is added to.

    Attributes:
        times: "none", or "gaps": attention has a learned bias for each head by how long ago an event was, seen from
            another, and how many events lie between them.
    """

    times: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, "times", TIMES, table="model")


def require_divisible(hidden_size: int, heads: int, *, even: bool) -> None:
    """Raise unless heads divide the width, and the width is even if it has to be.

    Raises:
        UsageError: they do not.
    """
    if hidden_size % heads or (even and hidden_size % 2):
        must = "even and divisible" if even else "divisible"
        raise UsageError(f"model.hidden_size {hidden_size} must be {must} by heads {heads}")
