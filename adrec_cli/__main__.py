"""`python -m adrec_cli`."""

from adrec_cli.cli.app import main

main()
