"""Plugin files from Python."""

from __future__ import annotations

from adrec_cli.api.places import Place


def load_plugin(path: Place) -> None:
    """Use what a plugin file adds from now on: models, losses, metrics, data sets.

    Args:
        path: of a Python file.

    Raises:
        UsageError: it is missing, fails, or adds what cannot be used.
    """
    from adrec_cli.loading import plugins

    plugins.load_plugin(path)
