"""The gateway's way to the services: HTTP over a pool of connections."""
