"""A data set with all that was made of it, moved between a workspace and a place elsewhere."""
