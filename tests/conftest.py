"""Fixtures for all tests: real NATS and MongoDB (see ``tocsin_kit.testing.fixtures``)."""

pytest_plugins = ["tocsin_kit.testing.fixtures"]
