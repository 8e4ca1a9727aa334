"""Search spaces that ship with adrec, one TOML each."""
