"""Watched sources and what is known about them as MongoDB documents, and back."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, assert_never

import orjson

from tocsin_kit.store import Document
from tocsin_trigger.domain.sources import After, BucketSource, FileSource, FunctionSource, OnceSource, PollSource, WatchedSource
from tocsin_trigger.domain.triggers import Kind
from tocsin_trigger.domain.watching import Watch


def watched_document(source: WatchedSource) -> Document:
    """A source as it is stored."""
    match source:
        case OnceSource():
            return {"at": source.at}
        case FileSource():
            return {
                "folder": source.folder,
                "pattern": source.pattern,
                "every": source.every.total_seconds(),
                "settle": source.settle.total_seconds(),
                "after": source.after.value,
                "into": source.into,
                "content": source.content,
            }
        case PollSource():
            return {
                "url": source.url,
                "every": source.every.total_seconds(),
                "headers": [list(pair) for pair in source.headers],
                "secrets": [list(pair) for pair in source.secrets],
                "items": source.items,
                "id": source.id,
                "cursor": source.cursor,
                "cursor_parameter": source.cursor_parameter,
            }
        case FunctionSource():
            return {
                "function": source.function,
                "every": source.every.total_seconds(),
                "arguments": source.arguments,
                "secrets": [list(pair) for pair in source.secrets],
                "id": source.id,
                "patience": source.patience.total_seconds(),
            }
        case BucketSource():
            return {
                "endpoint": source.endpoint,
                "bucket": source.bucket,
                "every": source.every.total_seconds(),
                "prefix": source.prefix,
                "pattern": source.pattern,
                "region": source.region,
                "secret": source.secret,
            }
        case _:
            assert_never(source)


def watched_of(kind: Kind, d: Mapping[str, Any]) -> WatchedSource:
    """The reverse."""
    if kind is Kind.ONCE:
        return OnceSource(d["at"])
    every = timedelta(seconds=d["every"])
    if kind is Kind.FILE:
        settle = timedelta(seconds=d["settle"])
        return FileSource(d["folder"], d["pattern"], every, settle, After(d["after"]), d["into"], d["content"])
    if kind is Kind.POLL and "function" in d:
        hidden = tuple((name, value) for name, value in d["secrets"])
        patience = timedelta(seconds=d["patience"])
        return FunctionSource(d["function"], every, d["arguments"], hidden, d["id"], patience)
    if kind is Kind.POLL:
        headers, secrets = (tuple((name, value) for name, value in d[field]) for field in ("headers", "secrets"))
        return PollSource(d["url"], every, headers, secrets, d["items"], d["id"], d["cursor"], d["cursor_parameter"])
    return BucketSource(d["endpoint"], d["bucket"], every, d["prefix"], d["pattern"], d["region"], d["secret"])


def watch_document(watch: Watch) -> Document:
    """What is known; the cursor is JSON text, for its keys may hold dots."""
    return {
        "trigger": watch.trigger,
        "of": watch.of,
        "due": watch.due,
        "cursor": orjson.dumps(watch.cursor).decode(),
        "holder": watch.holder,
        "until": watch.until,
        "looked": watch.looked,
        "failures": watch.failures,
        "error": watch.error,
    }


def watch_of(d: Mapping[str, Any]) -> Watch:
    """The reverse."""
    return Watch(
        trigger=d["trigger"],
        of=d["of"],
        due=d["due"],
        cursor=orjson.loads(d["cursor"]),
        holder=d["holder"],
        until=d["until"],
        looked=d["looked"],
        failures=d["failures"],
        error=d["error"],
    )
