"""What an option of a layer may be, checked without PyTorch."""

from __future__ import annotations

CONTENTS = ("none", "init", "sum", "adapter", "only")
"""What the content of items is in their vectors."""
COMPUTED = ("sum", "adapter", "only")
"""Those of them by which vectors are computed from content at every step."""
REPEATS = ("none", "learned", "never")
"""What is added to the scores of items of the history."""
SCORES = ("product", "cosine")
"""What scores are of predictions and item vectors."""
TIMES = ("none", "gaps")
"""What attention knows of when events were."""
