"""Who is recommended to, and the lists that come out."""
