"""Several models and seeds, ranked on the same users."""
