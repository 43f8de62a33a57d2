"""Lineage's routes."""
