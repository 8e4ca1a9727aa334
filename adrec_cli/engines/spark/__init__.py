"""Spark: its workers read the files, each of them as this process would."""
