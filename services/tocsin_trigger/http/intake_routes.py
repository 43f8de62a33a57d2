"""Routes by which events come in, and routes that show what came in and what was decided."""

from collections.abc import Sequence

from tocsin.errors import NotFound, TooLarge
from tocsin.signals import InvalidEvent, decode_http
from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Page, Permission, RawBody, Route
from tocsin_trigger.application.publishing import Publishing
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.errors import AddressRefused, MalformedWebhook, SignatureInvalid, TimestampInFuture, TimestampTooOld
from tocsin_trigger.domain.events import Received, key_of_event
from tocsin_trigger.domain.explaining import explain
from tocsin_trigger.http.event_schemas import ExplanationView, PublishedView, ReceivedView
from tocsin_trigger.http.schemas import EventPath, EventQuery, ExplainPath, ExplainQuery, PublishQuery
from tocsin_trigger.ports import EventSearch, EventStore, GroupStore

READ = Permission("event:read")
PUBLISH = Permission("event:publish")
_STREAM_LIMIT = 16 * 1024 * 1024  # bytes after which the connection is given up; the webhook's own limit refuses long before
_PUBLISH_LIMIT = 8 * 1024 * 1024  # bytes of a batch of events
_REFUSALS = (AddressRefused, SignatureInvalid, TimestampTooOld, TimestampInFuture, MalformedWebhook)
_EVENT_TYPES = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "*/*")


class IntakeRoutes:
    """The handlers.

    Args:
        publishing: Publishes events.
        events: What came in.
        groups: What triggers remember.
        registry: The triggers, for explanations.
    """

    def __init__(self, publishing: Publishing, events: EventStore, groups: GroupStore, registry: Registry) -> None:
        self._groups = groups
        self._publishing = publishing
        self._events = events
        self._registry = registry

    async def publish(self, call: Call) -> PublishedView:
        """Publish custom events."""
        namespace = call.query(PublishQuery).namespace
        call.require(PUBLISH.name, namespace)
        events = decode_http(dict(call.headers), call.raw)
        ids = await self._publishing.publish(namespace, events, actor=call.principal.subject, traceparent=call.traceparent)
        return PublishedView(namespace=namespace, ids=ids)

    async def list(self, call: Call) -> Page[ReceivedView]:
        """One page of what came in."""
        query = call.query(EventQuery)
        permitted = call.permitted(READ.name)
        given = query.namespace
        search = EventSearch(
            namespaces=frozenset({given}) if given else None if permitted.everywhere else permitted.exact,
            prefixes=() if given else permitted.prefixes,
            type=query.type,
            trigger=query.trigger,
            outcome=query.outcome,
            refused=query.refused,
            since=query.since,
            until=query.until,
        )
        page = await self._events.page(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[ReceivedView.of(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def show(self, call: Call) -> ReceivedView:
        """One event, whole, with every decision about it."""
        return ReceivedView.of(await self._load(call, call.params(EventPath).event), whole=True)

    async def explain(self, call: Call) -> ExplanationView:
        """Why it did or did not start something."""
        event, query = call.params(ExplainPath).event, call.query(ExplainQuery)
        key = event if query.source is None else key_of_event(query.namespace or "default", query.source, event)
        entry = await self._load(call, key)
        received = entry.value
        assert received is not None
        triggers = [ready.trigger for ready in self._registry.of_namespace(received.namespace)]
        gatherings = await self._groups.gatherings_of(entry.key)
        return ExplanationView.of(entry, explain(received, triggers, gatherings))

    async def _load(self, call: Call, key: str) -> Entry[Received]:
        entry: Entry[Received] = await self._events.load(key)
        # Who may not read there is told the same as if there were nothing.
        if entry.value is None or not call.may(READ.name, entry.value.namespace):
            call.permitted(READ.name)
            raise NotFound(
                f"There is no event {key}.", hint="An event's own id is found with ?namespace= and ?source= beside it."
            )
        return entry


def intake_routes(publishing: Publishing, events: EventStore, groups: GroupStore, registry: Registry) -> Sequence[Route]:
    """What the service serves about events."""
    handlers = IntakeRoutes(publishing, events, groups, registry)
    return (*_ways_in(handlers), *_reading(handlers))


def _ways_in(handlers: IntakeRoutes) -> Sequence[Route]:
    """By which events come in."""
    return (
        Route(
            method="POST",
            path="/api/v1/events",
            access=PUBLISH,
            summary="Publish custom events: CloudEvents structured, batch or binary; answered when they are on disk",
            tags=("events",),
            query=PublishQuery,
            body=RawBody(media_types=_EVENT_TYPES, required=False, description="One CloudEvent, or a batch."),
            body_limit=_PUBLISH_LIMIT,
            response=PublishedView,
            status=202,
            problems=(InvalidEvent, TooLarge),
            handler=handlers.publish,
        ),
    )


def _reading(handlers: IntakeRoutes) -> Sequence[Route]:
    """Which show what came in."""
    return (
        Route(
            method="GET",
            path="/api/v1/events",
            access=READ,
            summary="What came in and what was decided, newest first",
            tags=("events",),
            query=EventQuery,
            response=Page[ReceivedView],
            handler=handlers.list,
        ),
        Route(
            method="GET",
            path="/api/v1/events/{event}",
            access=READ,
            summary="One event with the decision of every trigger it met",
            tags=("events",),
            params=EventPath,
            response=ReceivedView,
            problems=(NotFound,),
            handler=handlers.show,
        ),
        Route(
            method="GET",
            path="/api/v1/events/{event}/explanation",
            access=READ,
            summary="Why an event did or did not start something, for every trigger, in words",
            tags=("events",),
            params=ExplainPath,
            query=ExplainQuery,
            response=ExplanationView,
            problems=(NotFound,),
            handler=handlers.explain,
        ),
    )
