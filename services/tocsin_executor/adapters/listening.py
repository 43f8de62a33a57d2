"""Subscriptions in a run's document: the workflow's values as JSON bytes, since their keys may hold dots and dollars."""

from collections.abc import Sequence

import orjson
from bson.binary import Binary

from tocsin_executor.ports import Listening
from tocsin_kit.store.database import Document


def dump_listens(listens: Sequence[Listening]) -> list[Document]:
    """For the run's document."""
    return [
        {
            "token": found.token,
            "node": found.node,
            "namespace": found.namespace,
            "digest": found.digest,
            "since": found.since,
            "values": Binary(orjson.dumps([found.expected, found.variables])),
            "cursors": found.cursors,
            "after": found.after,
        }
        for found in listens
    ]


def load_listens(document: Document) -> list[Listening]:
    """From the run's document."""
    listens: list[Listening] = []
    for found in document.get("listens", ()):
        expected, variables = orjson.loads(found["values"])
        listens.append(
            Listening(
                run=document["_id"],
                token=found["token"],
                node=found["node"],
                namespace=found["namespace"],
                digest=found["digest"],
                since=found["since"],
                expected=expected,
                variables=variables,
                cursors=dict(found["cursors"]),
                after=dict(found["after"]),
            )
        )
    return listens
