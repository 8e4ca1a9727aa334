"""What is done in a process that shares an evaluation before it begins: small batches, faults, and what it shows."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import torch

from adrec_cli.experiments.events import RankingProgress
from adrec_cli.ranking import scorer as scorer_module


def small_batches() -> None:
    """Give several processes something to share."""
    scorer_module._BATCH_TOKENS, scorer_module._MIN_BATCH_TOKENS = {"cpu": 64}, 64


def slowly() -> None:
    """Give a test time to interfere."""
    small_batches()
    represent = scorer_module.Scorer._samples

    def represent_slowly(scorer: object, *batches: object) -> object:
        time.sleep(0.15)
        return represent(scorer, *batches)

    scorer_module.Scorer._samples = represent_slowly


def spoil_representations() -> None:
    """Let the model of this process give NaN in its third batch."""
    represent, calls = scorer_module.Scorer._samples, []

    def spoilt(scorer: object, *batches: object) -> object:
        samples = represent(scorer, *batches)
        calls.append(1)
        return [one * float("nan") for one in samples] if len(calls) == 3 else samples

    scorer_module.Scorer._samples = spoilt


def fail_at_the_third_batch() -> None:
    """Let this process meet a bug."""
    represent, calls = scorer_module.Scorer._samples, []

    def fail(scorer: object, *batches: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise ZeroDivisionError("a bug")
        return represent(scorer, *batches)

    scorer_module.Scorer._samples = fail


def run_out_of_memory_together() -> None:
    """Let the memory of this process end where it sends to the others."""

    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    torch.distributed.all_gather = fail


def know_other_code() -> None:
    """Give this process another version of adrec than the first one has."""
    from adrec_cli.evaluating import evaluation

    evaluation.measuring_code_sha256 = lambda: "other"


def fill_the_disk() -> None:
    """Refuse the report."""
    import errno

    from adrec_cli.artifacts.atomic import storage_error
    from adrec_cli.evaluating import evaluation

    def refuse(evaluation: object, _ranks: object) -> object:
        raise storage_error("write", Path(evaluation.path), OSError(errno.ENOSPC, "No space left on device"))

    evaluation.write_evaluation = refuse


def download_once() -> None:
    """Let published negatives come from far away: only the first process brings them."""
    import os

    from adrec_cli.evaluating.given_negatives import Looking

    def find(looking: Looking, text: str, _part: str) -> tuple[Path, str]:
        brought = looking.workspace.parent / "brought.parquet"
        if os.environ["RANK"] == "0":
            time.sleep(0.5)
            shutil.copy(looking.workspace.parent / "negatives.parquet", brought)
        assert brought.exists()
        return brought, text

    Looking.find = find


def note_readers() -> None:
    """Leave a file for each process that reads a checkpoint's tensors."""
    import os

    from adrec_cli.artifacts.tensor_file import TensorFile

    read = TensorFile._read

    def noted(file: TensorFile, *arguments: object) -> str:
        (file.path.parents[3] / f"read-by-{os.environ['RANK']}").touch()
        return read(file, *arguments)

    TensorFile._read = noted


def show_progress() -> None:
    """Print how far the ranking is."""
    from adrec_cli.cli.show.training_progress import TrainingProgress

    def show(_progress: object, event: object) -> None:
        if isinstance(event, RankingProgress):
            print(f"{event.done} of {event.total}", file=sys.stderr)

    TrainingProgress.__call__ = show
