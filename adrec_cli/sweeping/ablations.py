"""What can be taken away from a model, as tables laid over whatever it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adrec_cli.config import read_preset
from adrec_cli.models.registry import find_facts


def find_ablations(model_name: str) -> dict[str, Mapping[str, Any]]:
    """Return the tables that take something away from a model, in the form `compose` reads, by name.

    Raises:
        UsageError: there is no such model.
    """
    ablations = find_facts(model_name).ablations
    return {name: read_preset(said) if isinstance(said, str) else said for name, said in ablations.items()}
