"""Resolve a reference to the files to fetch."""
