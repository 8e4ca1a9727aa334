"""Which models are compared, in what, and with how many seeds: what a user can choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adrec_cli.choices import choice, require_allowed
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

COMPARING: Final = "Comparing"
SEVERAL_SEEDS: Final = "Several seeds"
"""Panels of the help."""


def _split_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Which models are compared, and in what.

    Attributes:
        models: names, or MODEL/STAGE; empty for all that are trained.
        metrics: the first one decides on the order and on the best baseline.
        against: the model whose difference to the others is shown; None for the best baseline.
        evaluate: what is not evaluated, or not as it is now; otherwise it is left out.
        seeds: number of seeds to train every model with; 0 takes the models as they are.
    """

    models: tuple[str, ...] = choice(
        (),
        str,
        "Models, or MODEL/STAGE such as adrec/pretrain. [default: all that are trained, and mostpop]",
        read=_split_names,
        shown="",
        metavar="NAME,...",
        panel=COMPARING,
        usual=True,
    )
    metrics: tuple[str, ...] = choice(
        ("ndcg@10", "hr@10"),
        str,
        "Metrics to show and test; the first decides the order.",
        read=_split_names,
        shown="ndcg@10,hr@10",
        metavar="NAME,...",
        panel=COMPARING,
        usual=True,
    )
    against: str | None = choice(
        None,
        str,
        "Model to compare the others with. [default: the best one other than adrec]",
        metavar="NAME",
        panel=COMPARING,
        usual=True,
    )
    evaluate: bool = choice(
        True,
        bool,
        "Evaluate models that have no up-to-date evaluation, or leave them out.",
        panel=COMPARING,
        can_be_off=True,
        usual=True,
    )
    seeds: int = choice(
        0,
        int,
        "Train every model with N seeds in folders of their own, with the options it was trained with or with those "
        "below, and average; finished trainings are skipped.",
        metavar="N",
        panel=SEVERAL_SEEDS,
        least=0,
        most=10_000,
        usual=True,
    )

    def __post_init__(self) -> None:
        # Not at the top: it loads NumPy.
        from adrec_cli.ranking.metrics import metric_names

        require_allowed(self)
        if unknown := [name for name in self.metrics if name not in metric_names()]:
            raise UsageError(f"unknown metric {unknown[0]!r}", hint=f"one of: {', '.join(metric_names())}")
        if not self.metrics:
            raise UsageError("at least one metric must be named", hint=f"for example {option('metrics', 'ndcg@10')}")
        if self.against is not None and self.models and self.against not in self.models:
            raise UsageError(
                f"{option('against', self.against)} is not among {option('models')}", hint="name it there too"
            )
