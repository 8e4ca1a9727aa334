"""`adrec config`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, model_option
from adrec_cli.models.registry import DEFAULT_MODEL

if TYPE_CHECKING:
    from adrec_cli.experiments.described_options import DescribedOption

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
    """Show every option with its default, range and meaning: what --set and configuration files take.

    Options of sampling are shown apart, as they belong to what ranks: flags such as --steps, and sweep --vary.
    """
    from adrec_cli.pipeline import config as pipeline

    found = pipeline.config(key, model_name=model)
    if session.terminal.as_json:
        options = [{**asdict(one), "set": one.trained_with} for one in found]
        session.terminal.document({"model": model, "options": options})
        return
    titles = {True: f"Options of {model}, for --set", False: f"Options of ranking with {model}, for sweep --vary"}
    for trained_with, title in titles.items():
        rows = [_make_row(one) for one in found if one.trained_with == trained_with]
        if rows:
            session.terminal.table(["option", "default", "range", "meaning"], rows, title=title)


def _make_row(one: DescribedOption) -> tuple[str, str, str, str]:
    return one.key, _spell_default(one.default), one.range, one.meaning


def _spell_default(value: Any) -> str:
    """Return a default as a configuration file has it."""
    from adrec_cli.sweeping.option_keys import spell

    return "-" if value is None else spell(value)
