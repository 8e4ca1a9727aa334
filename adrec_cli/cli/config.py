"""`adrec config`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, model_option
from adrec_cli.models.registry import DEFAULT_MODEL

EXAMPLES: Final = (
    "adrec config model.dropout",
    "adrec config stages.align",
    "adrec config --model sasrec --json",
)


def config(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="[KEY]",
            help="Option or table, such as model.dropout, epochs or training. [default: all]",
            show_default=False,
            autocompletion=completion.option_key,
        ),
    ] = None,
    *,
    model: Annotated[str, model_option("Model whose options are shown.")] = DEFAULT_MODEL,
    common: Common,
    session: Session,
) -> None:
    """Show what --set and configuration files take: every option with its default, range and meaning."""
    from adrec_cli.pipeline import config as pipeline

    found = pipeline.config(key, model_name=model)
    if session.terminal.as_json:
        session.terminal.document({"model": model, "options": [asdict(one) for one in found]})
        return
    rows = [(one.key, _spell_default(one.default), one.range, one.meaning) for one in found]
    session.terminal.table(["option", "default", "range", "meaning"], rows, title=f"Options of {model}")


def _spell_default(value: Any) -> str:
    """Return a default as a configuration file has it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return str(value)
