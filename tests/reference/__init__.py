"""Slow, plain implementations that the fast code is checked against."""
