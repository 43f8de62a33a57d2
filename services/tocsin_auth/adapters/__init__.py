"""MongoDB, argon2, AES-GCM, files and NATS, behind the ports of the auth service."""
