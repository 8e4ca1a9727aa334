"""What every forked command would work out for itself: done once where they are forked from.

Nothing here may start a thread: a fork loses it.
"""

from adrec_cli.artifacts.provenance import code_sha256

code_sha256()
