"""What the observer decides: what of a signal it keeps, and who may see which."""
