"""Spark: its workers read the files, each as this process would, and hold what is cut."""
