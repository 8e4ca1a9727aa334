"""HTML that cannot be broken by what stands in it, and how pages of adrec look."""
