"""`adrec serve`: one model in memory, asked over HTTP."""
