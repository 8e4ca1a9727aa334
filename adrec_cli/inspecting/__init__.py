"""Item vectors opened and measured."""
