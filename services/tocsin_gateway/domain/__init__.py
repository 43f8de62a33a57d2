"""What the gateway decides: which service answers a path, and what the example services say."""
