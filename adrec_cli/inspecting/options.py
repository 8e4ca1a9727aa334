"""What of item vectors is looked at: what a user can choose."""

from __future__ import annotations

from dataclasses import dataclass

from adrec_cli.choices import choice, require_allowed
from adrec_cli.runtime import threads_choice


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """What to look at.

    Attributes:
        item_ids: raw ids whose nearest neighbours are asked for.
        k: neighbours of each.
        clusters: k of k-means, for the silhouette.
        seed: of k-means and of the noise to compare with.
        threads: of the CPU; None leaves PyTorch's default.
    """

    item_ids: tuple[str, ...] = choice(
        (), list[str], "Item whose nearest neighbours to show; repeatable.", key="item", metavar="ID"
    )
    k: int = choice(10, int, "Number of neighbours per item.", metavar="K", least=1)
    clusters: int = choice(
        10, int, "Number of clusters of k-means, for the silhouette.", metavar="N", least=2, most=100_000
    )
    seed: int = choice(0, int, "Seed of k-means and of the noise.", metavar="N")
    threads: int | None = threads_choice(panel="")

    def __post_init__(self) -> None:
        require_allowed(self)
