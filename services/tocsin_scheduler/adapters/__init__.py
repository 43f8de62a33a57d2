"""Where schedules are kept: MongoDB."""
