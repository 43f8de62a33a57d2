"""The case service's routes."""
