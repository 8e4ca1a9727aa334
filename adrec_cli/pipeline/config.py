"""`adrec config`: every option of a model, with its default, its range and its meaning."""

from __future__ import annotations

from adrec_cli.experiments.described_options import DescribedOption, choose_options, describe_options
from adrec_cli.experiments.experiment import compose
from adrec_cli.models.registry import DEFAULT_MODEL


def config(key: str | None = None, *, model_name: str = DEFAULT_MODEL) -> list[DescribedOption]:
    """Return the options of a model.

    Args:
        key: only those it means: a full name, a table, or the end of a name; None means all.
        model_name: registered.

    Raises:
        UsageError: there is no such model or option.
    """
    options = describe_options(compose(model_name))
    return options if key is None else choose_options(options, key, model_name)
