"""Tasks that no run waits for, as documents."""

from bson.binary import Binary

from tocsin_executor.ports import DetachedTask
from tocsin_kit.store.database import Document


def dump_detached(task: DetachedTask) -> Document:
    """A task as a document."""
    body = {"run": task.run, "attempt": task.attempt, "subject": task.subject, "payload": Binary(task.payload)}
    return {"_id": task.key, "partition": task.partition, **body}


def load_detached(document: Document) -> DetachedTask:
    """The other way round."""
    payload = bytes(document["payload"])
    return DetachedTask(document["run"], document["partition"], document["attempt"], document["subject"], payload)
