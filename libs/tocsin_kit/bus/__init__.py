"""The message bus: NATS JetStream behind plain values.

``Bus`` publishes and asks, ``Consumer`` handles what arrives (at least once, bounded, dead-lettered with the reason),
``topology`` says which streams and consumers exist, ``permissions`` who may use which subject. NATS is known to this package
only.
"""

from tocsin_kit.bus.connection import Bus, Subscription
from tocsin_kit.bus.errors import BusForbidden, BusUnavailable, WrongSequence
from tocsin_kit.bus.messages import Ack, Message, Reply

__all__ = ["Ack", "Bus", "BusForbidden", "BusUnavailable", "Message", "Reply", "Subscription", "WrongSequence"]
