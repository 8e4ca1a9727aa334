"""Databases as sources: a query's answer becomes a Parquet file, which is read like any other."""
