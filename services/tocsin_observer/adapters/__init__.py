"""The observer's store in MongoDB and its view of the stream on NATS."""
