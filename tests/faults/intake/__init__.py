"""What starts work, while everything is killed: 10,000 events and 10,000 instants, each one run."""
