"""What the observer needs from outside, a module for each of its parts."""

from tocsin_observer.ports.audit import AuditSearch, AuditStore, CheckpointSigner, HoldStore
from tocsin_observer.ports.deliveries import DeliverySearch, DeliveryStore, Endpoint, Endpoints, WebhookSender, WebhookStore
from tocsin_observer.ports.watching import Found, Places, Search, Seen, SignalStore, SignalStream

__all__ = [
    "AuditSearch",
    "AuditStore",
    "CheckpointSigner",
    "DeliverySearch",
    "DeliveryStore",
    "Endpoint",
    "Endpoints",
    "Found",
    "HoldStore",
    "Places",
    "Search",
    "Seen",
    "SignalStore",
    "SignalStream",
    "WebhookSender",
    "WebhookStore",
]
