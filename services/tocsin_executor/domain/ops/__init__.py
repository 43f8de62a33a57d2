"""What each operation does when it begins, when a scope of it completes, and when an error reaches it."""
