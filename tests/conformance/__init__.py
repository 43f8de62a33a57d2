"""Conformance with the standards: suites that are counted, not only passed."""
