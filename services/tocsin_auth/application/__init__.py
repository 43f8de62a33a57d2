"""What the auth service does: load, decide, commit. No module here knows HTTP, MongoDB or NATS."""
