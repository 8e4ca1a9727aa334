"""From raw interactions to sequences, and from sequences to tensors."""
