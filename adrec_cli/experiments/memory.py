"""Whether a network fits into this machine's memory, asked before any of it is taken."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.models.registry import find_model
from adrec_cli.wording import option, say_count

if TYPE_CHECKING:
    import torch

_COPIES = 4
"""What training keeps of each weight: itself, its gradient and two moments of Adam."""

_COPIES_OF_ITEM_VECTORS = {"adam": _COPIES, "sparse_adam": 3, "rowwise_adagrad": 1}
"""Where only rows are stepped, a gradient is of those; the one moment a row of Adagrad weighs nothing."""


def require_memory(
    experiment: Experiment, items: int, device: torch.device, processes: int = 1, *, blocks: int = 1
) -> None:
    """Raise if the weights of an experiment cannot fit, so that a slip in a size ends with a line rather than a crash.

    Args:
        experiment: whose network is to be trained.
        items: V.
        device: to train on; elsewhere than on the CPU only the weights must fit here.
        processes: of this machine, each of which has them.
        blocks: that item vectors lie in, one in each of all processes; the first one has all when it begins.

    Raises:
        UsageError: telling how much is needed and how much there is.
    """
    outline = find_model(experiment.model_name).outline(experiment.model, items)
    weights = sum(weight.numel() for weight in outline.parameters())
    vectors = sum(table.weight.numel() for table in outline.item_tables() if table.weight is not None)
    here = device.type == "cpu"
    network = (weights - vectors) * (_COPIES if here else 1) * processes
    table = vectors * (_COPIES_OF_ITEM_VECTORS[experiment.training.embedding_optimizer] if here else 1) * processes
    needed = 4 * (network + max(vectors, table // blocks))
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        several = f" in {say_count(processes, 'process', 'processes')}" if processes > 1 else ""
        raise UsageError(
            f"a network of {say_count(weights, 'parameter')}{several} takes {needed / 2**30:,.0f} GiB at least, "
            f"this machine has {there / 2**30:,.0f} GiB",
            hint=f"make it smaller: {option('set', 'model.hidden_size=128')}",
        )
