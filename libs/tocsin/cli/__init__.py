"""The command line `tocsin`: everything that the API offers, for people and for scripts.

Each command is in a module of its own kind, loaded when it is used, so that the shell does not wait. It talks to the platform
through ``tocsin.client`` alone.
"""

from tocsin.cli.root import main

__all__ = ["main"]
