"""All routes of the observer."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from tocsin.errors import Invalid, TooMany
from tocsin_kit.web import Call, EventStream, Page, Permission, Route, ServerEvent
from tocsin_observer.application import Observer
from tocsin_observer.domain.viewing import PositionGone
from tocsin_observer.http.schemas import SignalQuery, SignalView, StreamQuery
from tocsin_observer.ports import Search, Seen

READ_SIGNALS = Permission("signal:read")
MOST_STREAMS: Final = 100  # that one person or program follows at once, at one replica


def routes(observer: Observer) -> Sequence[Route]:
    """What the observer serves."""
    following: Counter[str] = Counter()

    async def signals(call: Call) -> Page[SignalView]:
        return await _page(observer, call, READ_SIGNALS.name)

    async def stream(call: Call) -> EventStream:
        query = call.query(StreamQuery)
        after = _position(call.last_event_id) if call.last_event_id else query.after
        permitted, who = call.permitted(READ_SIGNALS.name), call.principal.subject
        if following[who] >= MOST_STREAMS:
            raise TooMany(f"{who} follows {MOST_STREAMS} streams already", hint="one stream can follow many namespaces")
        seen = await observer.follow(query.subject, permitted=permitted, after=after)
        return EventStream(events=_events(seen, following, who))

    return (
        Route(
            method="GET",
            path="/api/v1/signals",
            access=READ_SIGNALS,
            summary="Signals, newest first",
            tags=("signals",),
            query=SignalQuery,
            response=Page[SignalView],
            handler=signals,
        ),
        Route(
            method="GET",
            path="/api/v1/signals/stream",
            access=READ_SIGNALS,
            summary="Signals live, as server-sent events; resumes without a gap behind Last-Event-ID",
            tags=("signals",),
            query=StreamQuery,
            media_type="text/event-stream",
            problems=(PositionGone, TooMany),
            seconds=None,
            handler=stream,
        ),
    )


async def _page(observer: Observer, call: Call, permission: str) -> Page[SignalView]:
    query = call.query(SignalQuery)
    permitted = call.permitted(permission)
    if query.namespace is not None:
        call.require(permission, query.namespace)
    namespaces = {query.namespace} if query.namespace is not None else None if permitted.everywhere else permitted.exact
    search = Search(
        namespaces=namespaces,
        prefixes=() if query.namespace is not None else permitted.prefixes,
        entity=query.entity,
        entity_id=query.id,
        type=query.type,
        correlation=query.correlation,
        actor=query.actor,
        since=query.since,
        until=query.until,
    )
    found = await observer.search(search, limit=query.limit, cursor=query.cursor)
    return Page(items=[SignalView.of(record) for record in found.records], next_cursor=found.next_cursor)


async def _events(signals: AsyncGenerator[Seen, None], following: Counter[str], who: str) -> AsyncIterator[ServerEvent]:
    following[who] += 1
    try:
        async with aclosing(signals):
            async for signal in signals:
                yield ServerEvent(data=signal.event, id=str(signal.position))
    finally:
        following[who] -= 1
        if not following[who]:
            del following[who]


def _position(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise Invalid("Last-Event-ID is not a position of this stream", hint="send the id of the last event you received")
    return int(text)
