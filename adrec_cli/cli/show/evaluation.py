"""How an evaluation is shown: metrics, slices, what lists are like, and what the figures depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.artifacts.evaluation import Evaluation

_SHOWN = ("ndcg@10", "hr@10")
"""Metrics shown with intervals and by slice."""


def show_metrics(terminal: Terminal, title: str, metrics: Mapping[str, float], *, digits: int = 4) -> None:
    """Print metrics, one row for each and one column for each cut-off."""
    names = list(dict.fromkeys(name.partition("@")[0] for name in metrics))
    cutoffs = list(dict.fromkeys(name.partition("@")[2] for name in metrics))
    columns = ["metric", *(f"@{k}" for k in cutoffs)]
    rows = [[name.upper(), *(f"{metrics[f'{name}@{k}']:.{digits}f}" for k in cutoffs)] for name in names]
    terminal.table(columns, rows, title=title, right=columns[1:])


def show_slices(terminal: Terminal, evaluation: Evaluation) -> None:
    """Print the metrics of each slice with their intervals, and what the slices are."""
    columns = ["slice", "targets", *(name.upper() for name in _SHOWN)]
    rows = [
        [name, f"{part['cases']:,}", *(_add_interval(part["metrics"], part["intervals"], metric) for metric in _SHOWN)]
        for name, part in evaluation.slices.items()
    ]
    terminal.table(columns, rows, title="By slice, with 95% intervals", right=columns[1:])
    for name, part in evaluation.slices.items():
        terminal.line(f"{name}: {part['definition']}")


def show_beyond_accuracy(terminal: Terminal, evaluation: Evaluation) -> None:
    """Print what the lists of recommendations are like."""
    found = evaluation.beyond_accuracy
    names = list(dict.fromkeys(name.partition("@")[0] for name in found if "@" in name))
    cutoffs = list(dict.fromkeys(name.partition("@")[2] for name in found if "@" in name))
    columns = ["lists", *(f"@{k}" for k in cutoffs)]
    rows = [[name.replace("_", " "), *(f"{found.get(f'{name}@{k}', 0):.4g}" for k in cutoffs)] for name in names]
    terminal.table(columns, rows, title="Beyond accuracy", right=columns[1:])
    history, target = found["history_popularity"], found["target_popularity"]
    terminal.line(f"mean train events of an item: {history:.1f} in histories, {target:.1f} among targets")
    if not any(name.startswith("diversity@") for name in found):
        terminal.line("no categories are known, so nothing is said about diversity")


def _add_interval(metrics: Mapping[str, float], intervals: Mapping[str, list[float]], name: str) -> str:
    if name not in metrics:
        return "-"
    low, high = intervals[name]
    return f"{metrics[name]:.4f} [{low:.4f}, {high:.4f}]"


def describe(evaluation: Evaluation, processes: int = 1) -> list[str]:
    """Return what one must know to compare the figures with others.

    Args:
        evaluation: that is shown.
        processes: that have shared it.
    """
    if evaluation.mask_seen:
        seen = "seen items are masked"
    elif evaluation.negatives_source:
        seen = f"negatives: {evaluation.negatives_source}"
    else:
        seen = "seen items are not masked (--mask-seen masks them)"
    cold = ""
    if evaluation.cold_targets:
        without = evaluation.slices["warm"]["metrics"]
        others = f"; without them NDCG@10 {without['ndcg@10']:.4f}" if without else ""
        cold = f", {evaluation.cold_targets:,} of them without a train event{others}"
    intervals = ", ".join(
        f"{name.upper()} {_add_interval(evaluation.metrics, evaluation.intervals, name)}" for name in _SHOWN
    )
    lines = [
        f"protocol {evaluation.protocol}; {seen}",
        f"{say_count(evaluation.users, 'user')}, {say_count(evaluation.cases, 'target')}{cold}",
        f"95% intervals: {intervals}",
    ]
    lines += [f"caution: {line}" for line in evaluation.cautions()]
    if evaluation.sampling:
        lines.append(f"sampling: {_sampling(evaluation)}")
    each = f" by each of {say_count(processes, 'process', 'processes')}" if processes > 1 else ""
    return [*lines, f"ranked in {evaluation.seconds / processes:.1f} s{each}, stored in {evaluation.path}"]


def _sampling(evaluation: Evaluation) -> str:
    sampling = evaluation.sampling
    steps = (
        "as many reverse steps as trained with"
        if sampling["steps"] is None
        else f"{say_count(sampling['steps'], 'reverse step')}"
    )
    noise = f"{sampling['noise']} noise of temperature {sampling['temperature']:g}, seed {sampling['seed']}"
    if sampling.get("guidance") is not None:
        noise += f", guidance {sampling['guidance']:g}"
    merged = (
        f"; {say_count(sampling['samples'], 'sample')} merged by {sampling['merge']}" if sampling["samples"] > 1 else ""
    )
    return f"{steps}, {noise}{merged}"
