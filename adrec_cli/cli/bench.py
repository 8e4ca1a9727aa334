"""`adrec bench`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, NamesDataset
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.experiments.bench_options import BenchOptions
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.pipeline.bench import Bench


EXAMPLES: Final = (
    "adrec bench",
    "adrec bench --dataset grocery --threads 1 --json",
)


def bench(
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="NAME", help="Data set in the workspace. [default: a generated one]",
                     autocompletion=completion.workspace_dataset),
        NamesDataset(),
    ] = None,
    *,
    options: BenchOptions,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Measure how fast ADRec trains, ranks and recommends on this machine, in less than a minute; writes nothing."""
    from adrec_cli.pipeline import bench as pipeline

    measured = pipeline.bench(
        dataset, workspace=common.workspace, options=options, on_part=lambda part: session.terminal.note(f"{part} ...")
    )
    _show(session.terminal, measured)


def _show(terminal: Terminal, measured: Bench) -> None:
    if terminal.as_json:
        terminal.document(asdict(measured))
        return
    rows = [
        ("matrix product", f"{measured.matrix_gflops:.0f} GFLOP/s", ""),
        ("training", f"{measured.tokens_per_second:,.0f} tokens/s", f"{measured.share_of_matrix_rate:.0%}"),
    ]
    for ranking in measured.ranking:
        steps = f"{ranking.steps} step{'s'[: ranking.steps > 1]}"
        share = f"{ranking.share_of_matrix_rate:.0%}"
        rows.append((f"full ranking, {steps}", f"{ranking.milliseconds_per_user:.3f} ms/user", share))
        rows.append((f"one user alone, {steps}", f"p50 {ranking.p50:.1f} ms, p99 {ranking.p99:.1f} ms", ""))
    if measured.ranking_memory is not None and measured.training_memory is not None:
        rows.append(("memory of ranking", f"{measured.ranking_memory:,.0f} MiB", ""))
        rows.append(("memory of training", f"{measured.training_memory:,.0f} MiB", ""))
    columns = ["what", "measured", "share of the matrix rate"]
    terminal.table(columns, rows, title=f"ADRec on {measured.dataset}", right=columns[1:])
    terminal.line(
        f"{say_count(measured.users, 'user')}, {say_count(measured.items, 'item')}, "
        f"{say_count(measured.events, 'event')}"
    )
    terminal.line(f"on {measured.device}, {say_count(measured.threads, 'thread')}, PyTorch {measured.torch_version}")
