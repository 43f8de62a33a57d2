"""The console in a real browser; one browser for all tests of this folder."""
