"""Lineage's stores in MongoDB."""
