"""What every forked command would work out for itself: done once where they are forked from.

Nothing here may start a thread: a fork loses it.
"""

import importlib
import pkgutil

from adrec_cli import pipeline
from adrec_cli.artifacts.provenance import code_sha256
from adrec_cli.models.registry import MODELS, find_model

for module in pkgutil.iter_modules(pipeline.__path__):
    importlib.import_module(f"adrec_cli.pipeline.{module.name}")
for name in MODELS:
    find_model(name)
code_sha256()
# What a batch of recommendations depends on.
code_sha256("content", "loading", "recommending")
