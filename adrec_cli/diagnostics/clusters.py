"""How clearly item vectors fall into groups; needs scikit-learn."""

from __future__ import annotations

import warnings

import torch

from adrec_cli.diagnostics.spread import evenly_spaced

MAX_CLUSTERED_ITEMS = 2048
_STARTS = 4


def silhouette(vectors_ND: torch.Tensor, *, clusters: int, seed: int) -> float | None:
    """Return the mean silhouette of k-means clusters, between -1 and 1; None where there are no two clusters.

    Args:
        vectors_ND: all items; at most 2,048 are taken, evenly spaced.
        clusters: k of k-means; fewer where there are fewer items.
        seed: of k-means.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    points_ND = evenly_spaced(vectors_ND, MAX_CLUSTERED_ITEMS).numpy()
    count = min(clusters, len(points_ND) - 1)
    if count < 2:
        return None
    # Several threads add up in another order each time, and wait for each other on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1):
        # Where items are equal there are fewer clusters; the silhouette says so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = KMeans(count, n_init=_STARTS, random_state=seed).fit_predict(points_ND)
    if not 2 <= len(set(labels.tolist())) < len(points_ND):
        return None
    return float(silhouette_score(points_ND, labels))
