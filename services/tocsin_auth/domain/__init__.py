"""What the auth service decides from values alone."""
