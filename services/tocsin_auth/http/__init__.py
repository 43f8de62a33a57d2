"""The auth service's API."""
