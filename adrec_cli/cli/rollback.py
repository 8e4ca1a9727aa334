"""`adrec rollback`."""

from __future__ import annotations

from dataclasses import asdict

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument, ModelName


def rollback(
    dataset: DatasetArgument = None,
    *,
    model: ModelName = "adrec",
    common: Common,
    session: Session,
) -> None:
    """Go back to the model that was current before; the one that was promoted is not promoted again."""
    from adrec_cli.pipeline import rollback as pipeline

    done = pipeline.rollback(dataset, model_name=model, workspace=common.workspace)
    if session.terminal.as_json:
        session.terminal.document(asdict(done))
        return
    value = "" if done.current.value is None else f", {done.current.metric} {done.current.value:.4f}"
    session.terminal.line(f"{done.current.checkpoint} is current again ({done.current.protocol}{value})")
    session.terminal.line(f"{done.withdrawn[:16]} is withdrawn; {done.earlier} earlier generations are left")
