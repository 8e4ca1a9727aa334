"""Latency of recommending to one user after loading: p50 and p99 of single calls; prints, asserts nothing.

python -m tests.benchmarks.one_user workspace/grocery --calls 1000 --steps 1

Beside wall time it prints processor time, which other programs disturb less, and that of the product with all item
vectors alone, taken in turns: less than that no exhaustive search can take. With --against CHECKOUT the code of
another checkout answers the same users in the same process, in turns, and must give the same lists.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from adrec_cli import load_recommender
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.ranking.products import score_items


def latencies(folder: str, *, calls: int, steps: int | None, threads: int | None) -> np.ndarray:
    """Milliseconds (calls, 3) for users drawn at random, after some to warm up: wall, processor, product alone."""
    recommender = load_recommender(folder, threads=threads)
    users = recommender.recommender.sequences.user_ids
    drawn = np.random.default_rng(0).integers(0, len(users), size=calls + 50)
    sampling = FAST_SAMPLING if steps == 1 else Sampling(steps=steps)
    items_VD = recommender.recommender.scorer(sampling).vectors_VD[1:]
    one_1D, scores_1V = items_VD[:1].clone(), torch.empty(1, len(items_VD))
    milliseconds = []
    for user in drawn.tolist():
        started, worked = time.perf_counter(), time.process_time()
        recommender.recommend(user=users[user], k=10, sampling=sampling)
        called, computed = time.perf_counter(), time.process_time()
        score_items(one_1D, items_VD, scores_1V)
        ended = time.process_time()
        milliseconds.append((1000 * (called - started), 1000 * (computed - worked), 1000 * (ended - computed)))
    return np.array(milliseconds[50:])


_TURN = 20
"""Calls of one checkout before the other's."""


class Checkout:
    """A loaded model of the code of one checkout, whose modules take the place of another's for as long as it answers.

    Attributes:
        users: ids of the data set.
    """

    def __init__(self, root: Path, folder: str, *, steps: int | None, threads: int | None) -> None:
        self._modules: dict[str, ModuleType] = {}
        self.enter()
        sys.path.insert(0, str(root))
        import adrec_cli
        from adrec_cli.models import sampling

        assert Path(str(adrec_cli.__file__)).is_relative_to(root), f"{root} has no adrec_cli"
        sys.path.remove(str(root))
        self._sampling = sampling.FAST_SAMPLING if steps == 1 else sampling.Sampling(steps=steps)
        self._recommender = adrec_cli.load_recommender(folder, threads=threads)
        self.users = self._recommender.recommender.sequences.user_ids

    def enter(self) -> None:
        """Have imports find the modules of this checkout."""
        for name in _own_modules():
            del sys.modules[name]
        sys.modules.update(self._modules)

    def leave(self) -> None:
        """Remember what it has imported."""
        self._modules = _own_modules()

    def answer(self, user: str) -> tuple[float, float, list[tuple[str, float]]]:
        """Return milliseconds of wall and processor time, and the list."""
        started, worked = time.perf_counter(), time.process_time()
        found = self._recommender.recommend(user=user, k=10, sampling=self._sampling)
        ended, done = time.perf_counter(), time.process_time()
        return 1000 * (ended - started), 1000 * (done - worked), [(item.item_id, item.score) for item in found]


def _own_modules() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "adrec_cli"}


def in_turns(roots: tuple[Path, Path], folder: str, *, calls: int, **how: Any) -> np.ndarray:
    """Milliseconds (2 checkouts, calls, 2) of the same users: wall, processor."""
    both = []
    for root in roots:
        both.append(Checkout(root, folder, **how))
        both[-1].leave()
    drawn = np.random.default_rng(0).integers(0, len(both[0].users), size=calls)
    users = [both[0].users[number] for number in drawn.tolist()]
    milliseconds = np.empty((2, calls, 2))
    for begin in range(0, calls, _TURN):
        lists = []
        for number in (0, 1) if begin // _TURN % 2 else (1, 0):
            both[number].enter()
            both[number].answer(users[0])
            answers = [both[number].answer(user) for user in users[begin : begin + _TURN]]
            both[number].leave()
            milliseconds[number, begin : begin + _TURN] = [answer[:2] for answer in answers]
            lists.append([answer[2] for answer in answers])
        assert lists[0] == lists[1], "the checkouts give other lists"
    return milliseconds


def main() -> None:
    """Print the percentiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    options = parser.parse_args()
    if options.against is not None:
        how = {"calls": options.calls, "steps": options.steps, "threads": options.threads}
        found = in_turns((options.against.resolve(), Path.cwd()), options.folder, **how)
        for what, (other, own) in zip(("wall", "processor"), np.percentile(found, 50, axis=1).T, strict=True):
            print(f"{what}: p50 {other:.2f} ms there, {own:.2f} ms here, ratio {own / other:.2f}")
        return
    found = latencies(options.folder, calls=options.calls, steps=options.steps, threads=options.threads)
    told = [
        f"{what}: p50 {p50:.2f} ms, p99 {p99:.2f} ms"
        for what, (p50, p99) in zip(
            ("wall", "processor", "the product alone"), np.percentile(found, [50, 99], axis=0).T, strict=True
        )
    ]
    print(f"{torch.get_num_threads()} threads, {len(found)} calls", *told, sep="; ")


if __name__ == "__main__":
    main()
