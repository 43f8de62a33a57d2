"""The order of steps: manage triggers, take webhooks, decide about events, publish events."""
