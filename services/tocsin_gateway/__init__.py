"""The gateway: the one public port. It forwards by the first segment of the path and adds nothing to what services answer."""
