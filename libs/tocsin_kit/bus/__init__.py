"""The message bus: NATS JetStream behind plain values.

``Bus`` publishes and asks, ``Consumer`` handles what arrives (at least once, bounded, dead-lettered with the reason),
``topology`` says which streams and consumers exist, ``permissions`` who may use which subject. NATS is known to this package
only.
"""

from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.consumer import BatchHandler, Consumer, Handler, Redriven
from tocsin_kit.bus.deadletters import DeadLetter, dead_letter, dead_letters, forget
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.bus.errors import BusForbidden, BusUnavailable, WrongSequence
from tocsin_kit.bus.messages import Ack, Message, Reply
from tocsin_kit.bus.subscription import Subscription
from tocsin_kit.bus.topology import ConsumerSpec, TopologyLimits, ensure_streams

__all__ = [
    "Ack",
    "BatchHandler",
    "Bus",
    "BusForbidden",
    "BusUnavailable",
    "Consumer",
    "ConsumerSpec",
    "DeadLetter",
    "Delivery",
    "Handler",
    "Message",
    "Redriven",
    "Reply",
    "Subscription",
    "TopologyLimits",
    "WrongSequence",
    "dead_letter",
    "dead_letters",
    "ensure_streams",
    "forget",
]
