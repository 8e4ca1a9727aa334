"""One file a command: read artifact, compute, write artifact."""
