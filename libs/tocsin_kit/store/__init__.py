"""One service's state in MongoDB: revisions, outbox, pages, migrations.

``Database`` connects, ``Repository`` stores entities with what is to be said about them in one write, ``Relay`` says it.
Motor and PyMongo are known to this package and to the services' adapters only.
"""

from tocsin_kit.store.contention import undisputed
from tocsin_kit.store.database import Database, Document, Transaction
from tocsin_kit.store.errors import AlreadyExists, InvalidCursor, RevisionConflict, StoreUnavailable, translated
from tocsin_kit.store.filters import EVERYTHING, Filter
from tocsin_kit.store.idempotency import Answer, IdempotencyRecords, InProgress, KeyReused
from tocsin_kit.store.indexes import Index, ensure_indexes
from tocsin_kit.store.migrations import Migration, migrate
from tocsin_kit.store.outbox import Outgoing, Transport
from tocsin_kit.store.pages import Page, Sort, fetch_page
from tocsin_kit.store.readmodel import Projected, ReadModel
from tocsin_kit.store.relay import Relay
from tocsin_kit.store.repository import Change, Creation, Entry, Repository

__all__ = [
    "EVERYTHING",
    "AlreadyExists",
    "Answer",
    "Change",
    "Creation",
    "Database",
    "Document",
    "Entry",
    "Filter",
    "IdempotencyRecords",
    "InProgress",
    "Index",
    "InvalidCursor",
    "KeyReused",
    "Migration",
    "Outgoing",
    "Page",
    "Projected",
    "ReadModel",
    "Relay",
    "Repository",
    "RevisionConflict",
    "Sort",
    "StoreUnavailable",
    "Transaction",
    "Transport",
    "ensure_indexes",
    "fetch_page",
    "migrate",
    "translated",
    "undisputed",
]
