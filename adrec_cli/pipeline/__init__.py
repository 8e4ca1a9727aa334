"""One file per command: read artifact, compute, write artifact."""
