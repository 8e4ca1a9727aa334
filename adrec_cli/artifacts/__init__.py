"""Files that commands hand over: atomic writes, checkpoints, manifests, locks."""
