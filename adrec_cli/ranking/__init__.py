"""Scores, ranks, metrics and protocols, shared by evaluate and recommend."""
