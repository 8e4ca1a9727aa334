"""The page that `adrec report` writes: one section a file, each from what was read to HTML."""
