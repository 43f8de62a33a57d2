"""MongoDB, NATS and the cipher behind the service's ports."""
