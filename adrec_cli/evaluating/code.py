"""The hash of the code that ranks, with metrics from outside."""

from __future__ import annotations

from adrec_cli.artifacts.provenance import code_sha256, key_of
from adrec_cli.ranking.metrics import METRICS


def measuring_code_sha256() -> str:
    """Return a hash of the code that figures depend on: adrec's, and that of every metric that others have added."""
    added = {name: origin.sha256 for name in METRICS if (origin := METRICS.origin_of(name)) is not None}
    return key_of({"code": code_sha256(), "metrics": added}) if added else code_sha256()
