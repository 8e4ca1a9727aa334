"""What `adrec` does in one of several processes before it loads PyTorch, which forked commands find loaded."""

from adrec_cli.cli.launching import quiet_torch

quiet_torch()
