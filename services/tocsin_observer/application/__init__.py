"""The observer's use cases."""

from tocsin_observer.application.watching import Observer

__all__ = ["Observer"]
