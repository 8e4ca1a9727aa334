"""Sets of named things that adrec fills, and that others can add to from outside."""
