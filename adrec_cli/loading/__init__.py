"""Artifacts opened and checked: data sets, checkpoints, the model that recommends."""
