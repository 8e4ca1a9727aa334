"""Models, one paper a file, behind the protocol of `base`."""
