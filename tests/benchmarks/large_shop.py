"""A large shop from its log to its report on one machine, each step a process of its own.

python -m tests.benchmarks.large_shop                                         # a tenth of the target, some minutes
python -m tests.benchmarks.large_shop --users 1e6 --items 1e6 --events 3e7    # the target: below 8 GB
python -m tests.benchmarks.large_shop --users 1e6 --items 1e6 --events 3e7 --parts 100     # its memory, in minutes

With --parts N files, tables and catalogue are whole, and so is the memory they take; one user in N is trained on, and
one of N of those who would be is ranked and answered.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NAME = "large"
MOST_GIGABYTES = 8.0
"""Peak memory of any step of the target."""
MOST_OF_OWN = 1.5
"""All processor seconds of the target, over those of what its steps are there for."""
EVALUATED_USERS = 50_000
_EVENTS_AT_ONCE = 2_000_000
_MONITORED_USERS = 10_000
_POPULARITY = 0.8
"""Exponent of Zipf's law of the items."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step took.

    Attributes:
        seconds: by the clock; processor_seconds: of all its threads.
        gigabytes: peak of its memory, pages of mapped files included.
        own_seconds: processor seconds of what the step is there for: of a training its epochs without validation, of an
            evaluation the ranking, of a batch its lists, of the others all of it.
    """

    name: str
    seconds: float
    processor_seconds: float
    gigabytes: float
    own_seconds: float


def write_log(path: Path, *, users: int, items: int, events: int, seed: int = 0) -> None:
    """Write events in the order of time: users alike, items by Zipf's law, some millions at a time."""
    random = np.random.default_rng(seed)
    weights = np.arange(1, items + 1) ** -_POPULARITY
    cumulative = np.cumsum(weights / weights.sum())
    # Numbers say nothing of popularity.
    name_of = random.permutation(items)
    schema = pa.schema([("user_id", pa.string()), ("item_id", pa.string()), ("timestamp", pa.int64())])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for begin in range(0, events, _EVENTS_AT_ONCE):
            count = min(_EVENTS_AT_ONCE, events - begin)
            item = name_of[np.searchsorted(cumulative, random.random(count)).clip(max=items - 1)]
            user = random.integers(0, users, count)
            columns = [
                pa.array(np.char.add("u", user.astype(str))),
                pa.array(np.char.add("i", item.astype(str))),
                pa.array(1_700_000_000 + np.arange(begin, begin + count) // 4),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def commands(log: Path, workspace: Path, *, width: int, k: int, parts: int = 1) -> dict[str, list[str]]:
    """Return what each step types, by its name.

    Args:
        log: of events.
        workspace: to fill.
        width: D.
        k: items for everybody.
        parts: train, rank and answer one of this many parts of the users.
    """
    adrec, place = [sys.executable, "-m", "adrec_cli"], ["--workspace", str(workspace)]
    settings = {
        "model.hidden_size": width, "training.embedding_optimizer": "rowwise_adagrad",
        "training.monitor_users": _MONITORED_USERS // parts, "stages.train.ranking_loss": "sampled_softmax",
        "stages.train.logq_correction": "true", "stages.train.negatives_power": 0.5,
    }  # fmt: skip
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={_toml(value)}")]
    model = workspace / NAME / "sasrec/train.safetensors"
    here = [sys.executable, "-m", "tests.benchmarks.large_shop", "--parts", str(parts)]
    training = ["train", NAME, "--model", "sasrec", "--epochs", "1", *sets, *place]
    return {
        "preprocess": [*adrec, "preprocess", str(log), "--min-interactions", "3", *place],
        "train": [*adrec, *training] if parts == 1 else [*here, "--train", *training],
        "evaluate": [*here, "--rank", str(model)],
        "recommend": [*adrec, "recommend", "--all", "-k", str(k), "--dataset", NAME, "--model", "sasrec",
                      "--out", str(workspace / "recs"), *([] if parts == 1 else ["--shard", f"0/{parts}"]), *place],
        "verify": [*adrec, "verify", *place],
        "report": [*adrec, "report", NAME, *place],
    }  # fmt: skip


def train_some(words: Sequence[str], parts: int) -> None:
    """Train as `adrec` would, but on the windows of a part of the users, and validated on the monitored users alone."""
    from adrec_cli.cli.app import main as adrec
    from adrec_cli.experiments import stage_training

    prepare = stage_training.prepare_training

    def prepare_some(*given: Any) -> Any:
        training = prepare(*given)
        windows = training.windows
        training.windows = dataclasses.replace(
            windows, starts=windows.starts[::parts], lengths=windows.lengths[::parts]
        )
        return training

    stage_training.prepare_training = prepare_some
    stage_training.validate_whole = lambda *given: None
    adrec(list(words))


def rank_some(checkpoint: Path, users: int) -> None:
    """Rank the test targets of some users against the whole catalogue."""
    import torch

    from adrec_cli.loading.opening import open_checkpoint, open_dataset, restore_model
    from adrec_cli.models.sampling import FAST_SAMPLING
    from adrec_cli.ranking.metrics import metric_table
    from adrec_cli.ranking.protocols import select_cases
    from adrec_cli.ranking.ranks import target_ranks
    from adrec_cli.ranking.scorer import Scorer

    dataset = open_dataset(checkpoint.parent.parent)
    opened = open_checkpoint(checkpoint, dataset)
    cpu = torch.device("cpu")
    model = restore_model(opened, cpu)
    scorer = Scorer(model=model, output=opened.metadata.output, sampling=FAST_SAMPLING, device=cpu)
    cases = select_cases(dataset.sequences, "test").draw(users, seed=0)
    began = time.process_time()
    ranks = target_ranks(scorer, dataset.sequences, cases)
    print(f"ranked in {time.process_time() - began:.3f} processor s")
    print(f"ndcg@10 {metric_table(ranks, cases.users)['ndcg@10']:.4f}")


def measured(name: str, words: Sequence[str], workspace: Path) -> Step:
    """Run a command and return what it took.

    Args:
        name: of the step.
        words: of its command.
        workspace: it works in.

    Raises:
        RuntimeError: it failed; with what it said last.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(words, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{name} ended with {process.returncode}: {said.read()[-2000:]}")
        seconds, processor_seconds = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
        said.seek(0)
        own = _OWN.get(name, lambda *_: 1.0)(said.read(), workspace, seconds, processor_seconds)
    return Step(
        name=name, seconds=seconds, processor_seconds=processor_seconds, gigabytes=usage.ru_maxrss / 2**20,
        own_seconds=own * processor_seconds,
    )  # fmt: skip


def _share_of_epochs(_said: str, workspace: Path, _seconds: float, processor_seconds: float) -> float:
    rows = [json.loads(row) for row in (workspace / NAME / "sasrec/train.jsonl").read_text().splitlines()]
    trained = sum(row["processor_seconds"] * (1 - row["validation_seconds"] / row["seconds"]) for row in rows)
    return float(trained / processor_seconds)


def _share_of_ranking(said: str, _workspace: Path, _seconds: float, processor_seconds: float) -> float:
    return _find_number(r"ranked in ([\d.]+) processor s", said) / processor_seconds


def _share_of_lists(said: str, _workspace: Path, seconds: float, _processor_seconds: float) -> float:
    """Return the share by the clock, as the command tells no other: on a busy machine both go slower alike."""
    return _find_number(r"users? in ([\d.]+) s", said) / seconds


def _find_number(form: str, said: str) -> float:
    found = re.search(form, said)
    if found is None:
        raise RuntimeError(f"nothing like {form} in: {said[-500:]}")
    return float(found[1])


_OWN: dict[str, Callable[[str, Path, float, float], float]] = {
    "train": _share_of_epochs, "evaluate": _share_of_ranking, "recommend": _share_of_lists,
}  # fmt: skip
"""What share of a step's processor time is what it is there for: by what it said, where, and how long it took."""


def describe_whole(steps: Sequence[Step]) -> str:
    """Return how long all steps took, and how much of that is what they are there for."""
    whole, own = (sum(getattr(step, name) for step in steps) for name in ("processor_seconds", "own_seconds"))
    clock = sum(step.seconds for step in steps)
    return (
        f"{'end to end':12} {clock:8.1f} s {whole:8.1f} processor s, {whole / own:.2f} times the {own:.1f} of epochs, "
        f"ranking, lists and the whole other steps (at most {MOST_OF_OWN})"
    )


def go_through(
    folder: Path, *, users: int, items: int, events: int, width: int = 64, k: int = 10, parts: int = 1
) -> Iterator[Step]:
    """Yield what each step took, from a log that is drawn first."""
    log = folder / f"{NAME}.parquet"
    write_log(log, users=users, items=items, events=events)
    for name, words in commands(log, folder / "workspace", width=width, k=k, parts=parts).items():
        yield measured(name, words, folder / "workspace")


def _toml(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) and value != "true" else str(value)


def _count(text: str) -> int:
    return int(float(text))


def main() -> None:
    """Print a row for each step, or with --json all of them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=_count, default=100_000)
    parser.add_argument("--items", type=_count, default=100_000)
    parser.add_argument("--events", type=_count, default=3_000_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--folder", type=Path, help="to work in; a temporary one by default")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--rank", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--train", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank is not None:
        rank_some(options.rank, EVALUATED_USERS // options.parts)
        return
    if options.train is not None:
        train_some(options.train, options.parts)
        return
    sizes = {name: getattr(options, name) for name in ("users", "items", "events", "width", "parts")}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        steps = []
        for step in go_through(Path(folder), **sizes):
            steps.append(step)
            if not options.json:
                print(
                    f"{step.name:12} {step.seconds:8.1f} s {step.processor_seconds:8.1f} processor s "
                    f"{step.gigabytes:6.2f} GiB {step.own_seconds:8.1f} own",
                    flush=True,
                )
    if not options.json:
        print(describe_whole(steps))
    else:
        print(json.dumps({**sizes, "steps": [asdict(step) for step in steps]}))


if __name__ == "__main__":
    main()
