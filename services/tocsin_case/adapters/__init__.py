"""The case service's stores in MongoDB."""
