"""The index of a promoted model's items, built and measured, so that a large catalogue is answered from in no time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from adrec_cli.artifacts.item_index import IndexRecord, read_index_record, write_item_index
from adrec_cli.artifacts.promotion import index_beside
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.loading.opening import Checkpoint, Dataset
from adrec_cli.promotion.options import INDEX_FROM, PromotionOptions
from adrec_cli.wording import option, say_count

_QUERIES: Final = 256
"""Histories that recall is measured with."""


def index_promoted(
    dataset: Dataset, checkpoint: Checkpoint, promoted: Path, options: PromotionOptions
) -> tuple[IndexRecord, bool] | None:
    """Build the index of a promoted model where it is wanted and not there; the caller holds the model's lock.

    Args:
        dataset: the histories that recall is measured with.
        checkpoint: that was promoted.
        promoted: its copy, beside which the index lies.
        options: whether one is wanted.

    Returns:
        what the index records, and whether it was built just now; None where none is wanted.

    Raises:
        UsageError: an index is asked for, and faiss is not installed or there are too few items for one.
        StorageError: the file system refused.
    """
    if not _is_wanted(checkpoint, options):
        return None
    path = index_beside(promoted)
    if (there := _read_record(path, checkpoint.sha256)) is not None:
        return there, False
    return _build(dataset, checkpoint, path), True


def _is_wanted(checkpoint: Checkpoint, options: PromotionOptions) -> bool:
    items = checkpoint.metadata.item_count
    if options.index == "never" or (options.index == "auto" and items < INDEX_FROM):
        return False
    from adrec_cli.ranking.approximate import FEWEST_ITEMS, has_faiss, require_faiss

    if options.index == "auto":
        return has_faiss()
    require_faiss()
    if items < FEWEST_ITEMS:
        raise UsageError(
            f"{checkpoint.metadata.dataset} has {say_count(items, 'item')}, an index needs {FEWEST_ITEMS:,}",
            hint=f"leave out {option('index', 'always')}: so few are scored in no time",
        )
    return True


def _read_record(path: Path, checkpoint_sha256: str) -> IndexRecord | None:
    try:
        return read_index_record(path, checkpoint_sha256)
    except ArtifactError:
        # Damaged: it is built again and overwritten.
        return None


def _build(dataset: Dataset, checkpoint: Checkpoint, path: Path) -> IndexRecord:
    """Build an index, measure how much of the exact best it finds for real histories, and write it.

    Where that is too little, what is written records it, so that it is not tried every night.
    """
    import numpy as np
    import torch

    from adrec_cli.loading.opening import restore_model
    from adrec_cli.models.sampling import FAST_SAMPLING
    from adrec_cli.ranking.approximate import build_index, choose_pool
    from adrec_cli.ranking.scorer import Scorer

    device = torch.device("cpu")
    scorer = Scorer(
        model=restore_model(checkpoint, device),
        output=checkpoint.metadata.output,
        sampling=FAST_SAMPLING,
        device=device,
    )
    vectors_VD = scorer.vectors_VD
    codes = build_index(vectors_VD.numpy())
    sequences = dataset.sequences
    users = np.unique(np.linspace(0, sequences.users - 1, min(_QUERIES, sequences.users)).astype(np.int64))
    asked = scorer.represent(sequences, sequences.offsets[users], sequences.offsets[users + 1])
    representation_BD = torch.cat([samples[0] for _, samples, _ in asked])
    pool, recall = choose_pool(codes, representation_BD, vectors_VD)
    record = IndexRecord(
        checkpoint_sha256=checkpoint.sha256,
        items=len(vectors_VD) - 1,
        width=vectors_VD.shape[1],
        recall=round(recall, 6),
        queries=len(representation_BD),
        pool=pool,
    )
    write_item_index(path, record, codes if pool else None)
    return record
