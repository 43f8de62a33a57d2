"""Fixtures for all tests: real NATS and MongoDB (see ``tocsin_kit.testing.fixtures``); and which examples Hypothesis draws."""

from hypothesis import settings

pytest_plugins = ["tocsin_kit.testing.fixtures"]

# The same examples at every run, so that a change is judged by what it changes. `make fuzz` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("fuzz", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("same")
