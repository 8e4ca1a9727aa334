"""What can take the place of this process where files are read: the same bytes come out."""
