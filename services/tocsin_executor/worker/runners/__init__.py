"""One module for each kind of work a worker can do."""
