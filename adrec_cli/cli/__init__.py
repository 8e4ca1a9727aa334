"""The command line: parses what is typed, calls the pipeline, shows what comes back."""
