"""What a push or a pull has moved, or would."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.moving.moved import Moved, Pruned


def _show_pruned(terminal: Terminal, pruned: Pruned, place: str) -> None:
    """Show what was removed elsewhere, or would be."""
    done = "to remove from" if pruned.dry_run else "removed from"
    waiting = (
        f"; {say_count(pruned.waiting, 'object')} ({pruned.waiting_bytes / 1e6:,.1f} MB) without a data set stay, "
    )
    waiting += f"as {pruned.grace_hours:g} hours are not over"
    terminal.line(
        f"{say_count(pruned.objects, 'object')} ({pruned.bytes / 1e6:,.1f} MB) {done} {place}"
        f"{waiting if pruned.waiting else ''}"
    )


def show_moved(terminal: Terminal, done: Moved, verb: str, participle: str) -> None:
    """Show what was moved; of a preview, each file.

    Args:
        terminal: to show it on.
        done: what was done, or would be.
        verb, participle: what is done to the bytes, "send" and "sent to".
    """
    if terminal.as_json:
        terminal.document(asdict(done))
        return
    if done.dry_run:
        rows = [(f"{one.bytes:,}", one.path, one.kind) for one in done.moved]
        terminal.table(["size", "path", "kind"], rows, right=["size"])
    _show_files(terminal, done, verb, participle)
    if done.pruned is not None:
        _show_pruned(terminal, done.pruned, done.place)


def _show_files(terminal: Terminal, done: Moved, verb: str, participle: str) -> None:
    if not done.moved and not done.bytes:
        terminal.line(
            f"nothing to {verb}: {done.dataset} at {done.place} is as it was last moved, "
            f"{say_count(done.files, 'file')}"
        )
        return
    counted = f"{len(done.moved):,} of {say_count(done.files, 'file')} of {done.dataset} differ"
    size = f"{done.bytes / 1e6:,.1f} MB"
    pushed = "" if done.pushed_at is None else f", pushed at {done.pushed_at}"
    if done.dry_run:
        terminal.line(f"{counted}; there are {size} to {verb}{pushed}")
    else:
        terminal.line(f"{counted}; {size} {participle} {done.place}{pushed}")
