"""What can take the place of this process where a log is read and cut: the same bytes come out."""
