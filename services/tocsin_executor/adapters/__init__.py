"""MongoDB and NATS behind the executor's ports."""
