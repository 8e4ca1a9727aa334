"""Options of an evaluation: negatives that are typed as a number, a file or a name, and looked for."""

from __future__ import annotations

from typing import Any

from adrec_cli.cli.options.declared import Declared
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.given_negatives import Looking
from adrec_cli.evaluating.options import EvaluationOptions

Evaluating = Declared[EvaluationOptions]


def build_evaluation(given: Evaluating, looking: Looking, **instead: Any) -> EvaluationOptions:
    """Return what was typed of an evaluation; published negatives are downloaded if they are nowhere.

    Args:
        given: what was typed.
        looking: for negatives that are not drawn.
        instead: fields in place of what was typed.

    Raises:
        UsageError: negatives that name none, or those of another part.
    """
    text = given.values["negatives"]
    if text is None or text.isdecimal():
        return given.options(negatives=int(text or 0), **instead)
    if text.startswith("-"):
        raise UsageError(f"--negatives {text} is neither a number nor a file", hint="for example 99")
    part = instead.get("part") or given.values.get("part") or EvaluationOptions.part
    file, name = looking.find(text, part) if text else (None, "")
    return given.options(negatives=0, negatives_file=file, negatives_name=name, **instead)
