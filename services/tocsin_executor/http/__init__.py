"""The executor's routes."""
