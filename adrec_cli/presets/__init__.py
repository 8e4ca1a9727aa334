"""Presets: named sets of options as TOML, taken with --preset."""
