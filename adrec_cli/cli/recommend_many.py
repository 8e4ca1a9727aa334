"""`adrec recommend` for many users: progress, and a summary of what was written."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from adrec_cli.cli.command import Session
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.pipeline.recommend_batch import BatchRequest
    from adrec_cli.recommending.summary import BatchSummary


def recommend_many(request: BatchRequest, session: Session) -> None:
    """Write the recommendations of a batch and say what was written."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.pipeline.recommend_batch import share_batch, write_batch

    if not session.processes.first:
        share_batch(request, session.processes)
        return
    with TrainingProgress(session.terminal) as progress:
        summary = write_batch(request, progress, session.processes)
    _show(session.terminal, summary)


def _show(terminal: Terminal, summary: BatchSummary) -> None:
    listed = f", listed in {summary.unknown_path}" if summary.unknown_path else ""
    counts = {
        "users": summary.unknown_users,
        "items of histories": summary.unknown_items - summary.unknown_candidates,
        "candidates or excluded items": summary.unknown_candidates,
    }
    if unknown := [f"{what} {count:,}" for what, count in counts.items() if count]:
        terminal.warn(f"unknown: {', '.join(unknown)}{listed}")
    if summary.without_list:
        terminal.warn(
            f"users without a list: {summary.without_list:,}{listed}: all that may come back is in their history; "
            "--include-seen lets them come back"
        )
    if summary.popular:
        terminal.note(
            f"{say_count(summary.popular, 'user')} without a history that the model knows: these get the most popular "
            "items"
        )
    if summary.resumed:
        terminal.note(f"{say_count(summary.resumed, 'user')} done by an earlier, interrupted run")
    done = f"{say_count(summary.rows, 'row')} for {say_count(summary.users, 'user')} in {summary.seconds:.1f} s"
    if summary.path is None:
        # The rows themselves are on stdout.
        terminal.note(done)
    elif terminal.as_json:
        terminal.document(asdict(summary))
    else:
        where = (
            f"{say_count(summary.files, 'file')} in {summary.path}"
            if isinstance(summary.path, str) or summary.path.is_dir()
            else str(summary.path)
        )
        terminal.line(f"{done}, stored in {where}")
