"""The trigger service: what comes in from the world, what was decided about it, and what it started.

It owns triggers, webhook intake, and every inbound event with the decision of every trigger it met, negative ones included.
"""
