"""Pictures of a dataset's models from what its folder holds: one kind a file."""
