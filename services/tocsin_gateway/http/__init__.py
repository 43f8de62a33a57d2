"""The gateway's routes: everything is passed on, but for the console, the documents, the status and the examples."""
