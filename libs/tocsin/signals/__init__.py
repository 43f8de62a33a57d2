"""The words that everything on the bus is said in: the envelope, its encodings, subjects, ids, and the catalogue of signals.

Services share these words and nothing else. There is no behaviour here, no I/O, no clock. The catalogue
(``tocsin.signals.catalogue``) is imported on its own, because it needs pydantic and a command line in a hurry does not.
"""

from tocsin.signals.codec import decode, decode_batch, decode_http, decode_nats, encode, encode_batch
from tocsin.signals.envelope import ABSENT, Absent, Attribute, CloudEvent, InvalidEvent, Json
from tocsin.signals.ids import DEPTH_LIMIT, CausationTooDeep, Cause, derive, follow, root

__all__ = [
    "ABSENT",
    "DEPTH_LIMIT",
    "Absent",
    "Attribute",
    "CausationTooDeep",
    "Cause",
    "CloudEvent",
    "InvalidEvent",
    "Json",
    "decode",
    "decode_batch",
    "decode_http",
    "decode_nats",
    "derive",
    "encode",
    "encode_batch",
    "follow",
    "root",
]
