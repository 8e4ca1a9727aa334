"""Stages as data, losses, and the one loop that trains every model."""
