"""`adrec status`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    from adrec_cli.inspecting.dataset_status import DatasetStatus
    from adrec_cli.inspecting.model_status import ModelStatus
    from adrec_cli.pipeline.status import WorkspaceStatus


EXAMPLES: Final = (
    "adrec status",
    "adrec status --workspace shops --json",
)


def status(*, common: Common, session: Session) -> None:
    """Show what is in the workspace, what is current, out of date or unfinished, and what to type next."""
    from adrec_cli.pipeline import status as pipeline

    found = pipeline.status(common.workspace, named=common.name_workspace())
    if session.terminal.as_json:
        session.terminal.document(asdict(found))
        return
    _show(session.terminal, found)


def _show(terminal: Terminal, found: WorkspaceStatus) -> None:
    if found.note:
        terminal.line(found.note)
    else:
        terminal.table(
            ["data set", "users", "items", "interactions", "last event", "changed", "state"],
            [_dataset_row(one) for one in found.datasets],
            title=str(found.workspace),
            right=["users", "items", "interactions"],
            optional=["changed", "last event", "items", "users"],
        )
    if any(one.models for one in found.datasets):
        terminal.table(
            ["data set", "model", "stages", "validation", "promoted", "state"],
            [_model_row(one, model) for one in found.datasets for model in one.models],
            optional=["validation"],
        )
    if found.next:
        terminal.line("What to type next:")
    for step in found.next:
        terminal.command(f"  {step.command}  # {step.why}")


def _dataset_row(one: DatasetStatus) -> list[str]:
    return [
        one.name,
        *(f"{count:,}" for count in (one.users, one.items, one.interactions)),
        one.last_event[:10],
        _ago(one.made_at),
        _append_detail(one.state, one.detail),
    ]


def _model_row(one: DatasetStatus, model: ModelStatus) -> list[str]:
    done = [stage for stage in model.stages if stage.finished]
    of = len(model.stages) + len(model.missing)
    stages = f"{len(done)} of {of}: {', '.join(stage.name for stage in done)}" if done else f"0 of {of}"
    validation = f"{done[-1].metric} {_figure(done[-1].value)}" if done and done[-1].metric else ""
    promoted = ""
    if (best := model.promoted) is not None:
        promoted = f"{best.metric} {_figure(best.value)} ({best.protocol}), {_ago(best.promoted_at)}"
    return [one.name, model.name, stages, validation, promoted or "no", _append_detail(model.state, model.detail)]


def _append_detail(state: str, detail: str) -> str:
    return f"{state}: {detail}" if detail else state


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _ago(moment: str) -> str:
    """Return how long ago a moment was, in the unit one thinks in."""
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    except (ValueError, TypeError):
        return ""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if (passed := int(seconds // length)) >= 1:
            return f"{say_count(passed, unit)} ago"
    return "just now"
