"""A model's ranks and figures under a protocol."""
