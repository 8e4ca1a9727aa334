"""Queries as sources."""
