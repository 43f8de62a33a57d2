"""Puts the observer together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Protocol

from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.lease import PartitionLeases
from tocsin_kit.bus.secrets import SecretsClient
from tocsin_kit.bus.topology import CONSUMERS
from tocsin_kit.chassis import Component, Part, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.dead_letters import dead_letter_routes
from tocsin_kit.chassis.housekeeping import Housekeeping
from tocsin_kit.chassis.ticking import Ticking
from tocsin_kit.store import Relay
from tocsin_kit.web import HttpServer, Limits, Route
from tocsin_kit.web.outside import RemoteAuthenticator
from tocsin_observer.adapters.alert_store import ALERTS as ALERT_LIST
from tocsin_observer.adapters.alert_store import RULES, MongoAlertStore, MongoRuleStore
from tocsin_observer.adapters.audit_store import MongoAuditStore
from tocsin_observer.adapters.channel_store import CHANNELS, MongoChannelStore
from tocsin_observer.adapters.delivery_store import PARTITIONS, MongoDeliveryStore
from tocsin_observer.adapters.fact_store import MongoFactStore
from tocsin_observer.adapters.fleet_listener import FleetListener
from tocsin_observer.adapters.hold_store import HOLDS, MongoHoldStore
from tocsin_observer.adapters.http_sender import HttpSender
from tocsin_observer.adapters.keys import MESSAGES, AesSeal, Ed25519Signer
from tocsin_observer.adapters.mailer import MailServer, SmtpMailer
from tocsin_observer.adapters.place_store import MongoPlaces
from tocsin_observer.adapters.signal_counts import MongoSignalCounts
from tocsin_observer.adapters.signal_store import MongoSignalStore
from tocsin_observer.adapters.signal_stream import BusSignalStream
from tocsin_observer.adapters.waking import BusWaker
from tocsin_observer.adapters.webhook_store import WEBHOOKS, MongoWebhookStore
from tocsin_observer.application import Observer
from tocsin_observer.application.alerting import Alerting
from tocsin_observer.application.alerts import Alerts, Channels
from tocsin_observer.application.analytics import EVERY, Analytics
from tocsin_observer.application.audit import Audit
from tocsin_observer.application.chaining import ChainWriter
from tocsin_observer.application.dispatching import Dispatcher
from tocsin_observer.application.duties import Duties, Work
from tocsin_observer.application.endpoints import AllEndpoints, WebhookEndpoints
from tocsin_observer.application.named_secrets import NamedSecrets
from tocsin_observer.application.notifying import ChannelEndpoints, Notifying
from tocsin_observer.application.reading import READERS, Reader
from tocsin_observer.application.telling import Telling
from tocsin_observer.application.webhooks import Webhooks
from tocsin_observer.domain.fleet import measures
from tocsin_observer.domain.records import SignalRecord
from tocsin_observer.http.alert_routes import alert_routes
from tocsin_observer.http.analytics_routes import analytics_routes
from tocsin_observer.http.audit_routes import audit_routes
from tocsin_observer.http.channel_routes import channel_routes
from tocsin_observer.http.fleet_routes import fleet_routes
from tocsin_observer.http.routes import routes
from tocsin_observer.http.webhook_routes import webhook_routes
from tocsin_observer.ports.alerts import ChannelUsers
from tocsin_observer.ports.fleet import Listener
from tocsin_observer.settings import ObserverSettings

TIDY = "17 * * * *"  # once an hour, not on the full hour when everyone else tidies
TIDY_AUDIT = "47 3 * * *"

# Duties by number: the audit chain, the alerts, who is told of what, the queues of endpoints, and what people find.
CHAIN = 0
ALERTS = 1
TELLING = 2
QUEUES = 3
KEEPING = QUEUES + PARTITIONS
DUTIES = KEEPING + 1

Context = ServiceContext[ObserverSettings]


class Prepared(Protocol):
    """A store that makes ready."""

    async def prepare(self) -> None:
        """Make its indexes."""
        ...


class Preparation(Part):
    """Makes ready what the observer reads and writes through."""

    def __init__(self, stores: Sequence[Prepared], direct: Direct) -> None:
        super().__init__("preparation")
        self._stores, self._direct = stores, direct

    async def start(self) -> None:
        """Make the indexes and open the short way to the bus."""
        for store in self._stores:
            await store.prepare()
        await self._direct.start()


@dataclass(frozen=True, slots=True)
class Piece:
    """One of the observer's parts.

    Attributes:
        routes: What it serves.
        components: What lives.
        stores: What must be made ready.
        work: Its duties.
    """

    routes: Sequence[Route]
    components: Sequence[Component] = ()
    stores: Sequence[Prepared] = ()
    work: Work | None = None


def build(context: Context) -> Sequence[Component]:
    """The observer's components."""
    direct = Direct(context.bus)
    signals, stream = MongoSignalStore(context.database), BusSignalStream(context.bus, direct)
    relay = Relay(context.database, context.bus, (HOLDS, WEBHOOKS, RULES, ALERT_LIST, CHANNELS))
    post = _post(context, relay)
    facts, fleet = MongoFactStore(context.database), FleetListener(context.bus, context.clock)
    analytics = Analytics(facts, clock=context.clock, retention=context.settings.retention)
    readers = _readers(context, signals, stream)
    pieces = [
        _watching(context, signals, stream, readers["search"], analytics=analytics, fleet=fleet),
        _analytics(context, facts, analytics),
        _audit(context, stream, readers["audit"], relay),
        _telling(context, signals, readers["webhooks"], post),
        _alerts(context, readers["alerts"], relay, post, fleet),
    ]
    authenticator = RemoteAuthenticator(context.platform.services.auth_url, context.clock)
    server = HttpServer(
        "observer",
        (
            *(route for piece in pieces for route in piece.routes),
            *dead_letter_routes("observer", context.bus, ()),  # of a version that consumed; what is read in order leaves none
        ),
        host=context.host,
        port=context.port,
        authenticator=authenticator,
        clock=context.clock,
        chance=context.chance,
        limits=Limits(body_bytes=context.platform.http.max_body, drain=context.platform.http.drain),
        version=context.version,
        trusted_proxies=context.platform.http.trusted_proxies,
    )
    return (
        Preparation([store for piece in pieces for store in piece.stores], direct),
        relay,
        *(component for piece in pieces for component in piece.components),
        *readers.values(),
        _duties(context, [piece.work for piece in pieces if piece.work is not None]),
        authenticator,
        server,
    )


def _readers(context: Context, signals: MongoSignalStore, stream: BusSignalStream) -> Mapping[str, Reader]:
    """Who reads all signals in order, by name."""
    make = partial(Reader, stream=stream, places=MongoPlaces(context.database), clock=context.clock, metrics=context.metrics)
    return {
        "search": make("search", before="observer-signals"),
        "audit": make("audit"),
        "webhooks": make("webhooks", before="observer-webhooks", from_now=True, restore=signals.between),
        "alerts": make("alerts"),
    }


def _watching(
    context: Context,
    signals: MongoSignalStore,
    stream: BusSignalStream,
    reader: Reader,
    *,
    analytics: Analytics,
    fleet: FleetListener,
) -> Piece:
    """Signals kept, searched, followed and counted; how every replica is."""
    counts = MongoSignalCounts(context.database)

    async def kept(records: Sequence[SignalRecord]) -> None:
        await analytics.ended(records)
        counts.count(records, context.clock.now())

    observer = Observer(signals, stream, clock=context.clock, retention=context.settings.retention, kept=kept)

    async def work(duty: int) -> None:
        if duty == KEEPING:
            await observer.work(reader)

    return Piece(
        # The catalogue stands first: its path would otherwise be read as something else.
        routes=(*fleet_routes(fleet, counts, _listeners(), context.clock), *routes(observer)),
        components=[
            fleet,
            Housekeeping("observer.tidy", TIDY, observer.tidy),
            Ticking("observer.counts", timedelta(seconds=1), counts.store, clock=context.clock),
        ],
        stores=[signals, counts],
        work=work,
    )


def _listeners() -> Sequence[Listener]:
    """Who reads signals: with durable consumers, or in order as a duty."""
    durable = [Listener(one.service, one.name, one.filters) for one in CONSUMERS if one.stream == "SIGNALS"]
    return [*durable, *(Listener("observer", name, ("signals.>",)) for name in READERS)]


def _analytics(context: Context, facts: MongoFactStore, analytics: Analytics) -> Piece:
    """Facts of runs, and questions about many of them."""
    return Piece(
        routes=analytics_routes(analytics, context.clock),
        components=[
            Ticking("observer.facts", EVERY, analytics.make, clock=context.clock),
            Housekeeping("observer.tidy-facts", TIDY, analytics.tidy),
        ],
        stores=[facts],
    )


def _audit(context: Context, stream: BusSignalStream, reader: Reader, relay: Relay) -> Piece:
    """The audit trail."""
    trail, signer = MongoAuditStore(context.database, context.chance), Ed25519Signer(context.settings.key)
    holds = MongoHoldStore(context.database, relay)
    audit = Audit(trail, holds, signer, clock=context.clock, retention=context.settings.audit_retention)
    writer = ChainWriter(trail, stream, reader, signer, clock=context.clock)

    async def work(duty: int) -> None:
        if duty == CHAIN:
            await writer.work()

    return Piece(
        routes=audit_routes(audit, context.clock),
        components=[Housekeeping("observer.tidy-audit", TIDY_AUDIT, audit.tidy)],
        stores=[trail],
        work=work,
    )


@dataclass(frozen=True, slots=True)
class Post:
    """What webhooks and notifications are sent with.

    Attributes:
        webhooks: Webhooks.
        queues: What waits, for all endpoints.
        sender: Reaches those that are HTTP.
        seal: Opens secrets.
        hooks: Webhooks as endpoints.
        channels: Channels as endpoints.
        channel_store: Channels.
        dispatcher: Sends what waits.
        waker: Tells whoever sends.
    """

    webhooks: MongoWebhookStore
    queues: MongoDeliveryStore
    sender: HttpSender
    seal: AesSeal
    hooks: WebhookEndpoints
    channels: ChannelEndpoints
    channel_store: MongoChannelStore
    dispatcher: Dispatcher
    waker: BusWaker


def _post(context: Context, relay: Relay) -> Post:
    clock, chance, database, settings = context.clock, context.chance, context.database, context.settings
    webhooks, queues = MongoWebhookStore(database, relay), MongoDeliveryStore(database)
    sender, seal = HttpSender(clock, allow_private=settings.allow_private), AesSeal(settings.key, chance)
    server = MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        sender=settings.smtp_sender,
        user=settings.smtp_user,
        password=settings.smtp_password,
        security=settings.smtp_security,
    )
    channel_store = MongoChannelStore(database, relay)
    signer = Ed25519Signer(settings.key, MESSAGES)
    named = NamedSecrets(SecretsClient(context.bus, chance=chance), clock)
    hooks = WebhookEndpoints(webhooks, queues, sender, seal, named=named, signer=signer, clock=clock)
    channels = ChannelEndpoints(
        channel_store,
        sender,
        SmtpMailer(server, clock),
        seal,
        named=named,
        clock=clock,
        url=context.platform.services.gateway_url,
    )
    endpoints = AllEndpoints({"webhook": hooks, "channel": channels})
    dispatcher = Dispatcher(queues, endpoints, clock=clock, chance=chance, metrics=context.metrics)
    waker = BusWaker(context.bus, dispatcher.wake)
    return Post(webhooks, queues, sender, seal, hooks, channels, channel_store, dispatcher, waker)


def _telling(context: Context, signals: MongoSignalStore, reader: Reader, post: Post) -> Piece:
    """Webhooks that go out, and the queues of everything that is told."""
    clock = context.clock
    telling = Telling(post.webhooks, post.queues, reader, post.waker.wake, clock=clock)
    use_cases = Webhooks(
        store=post.webhooks,
        channels=post.channel_store,
        queues=post.queues,
        signals=signals,
        endpoints=post.hooks,
        sender=post.sender,
        seal=post.seal,
        wake=post.waker.wake,
        clock=clock,
        chance=context.chance,
    )

    async def work(duty: int) -> None:
        if duty == TELLING:
            await telling.work()
        elif duty >= QUEUES:
            await post.dispatcher.work(duty - QUEUES)

    async def tidy() -> int:
        return await post.queues.forget(clock.now() - context.settings.delivery_retention)

    return Piece(
        routes=webhook_routes(use_cases, post.hooks.public_key),
        components=[post.sender, post.dispatcher, post.waker, Housekeeping("observer.tidy-deliveries", TIDY, tidy)],
        stores=[post.webhooks, post.queues, reader],
        work=work,
    )


def _alerts(context: Context, reader: Reader, relay: Relay, post: Post, fleet: FleetListener) -> Piece:
    """Alerts, their rules, and channels of notifications."""
    clock = context.clock
    rules, alerts = MongoRuleStore(context.database, relay), MongoAlertStore(context.database, relay)

    def readings() -> Mapping[str, float]:
        # Silence says nothing of others while the observer itself hears nobody.
        return {} if fleet.deaf() else measures(fleet.replicas(), clock.now())

    notifying = Notifying(alerts, post.webhooks, post.queues, post.waker.wake, clock=clock)
    engine = Alerting(rules, alerts, reader, notifying, measures=readings, clock=clock)
    users: Mapping[str, ChannelUsers] = {"rules": rules, "webhooks": post.webhooks}
    channels = Channels(post.channel_store, post.channels, post.seal, users=users, clock=clock, chance=context.chance)

    async def tidy() -> int:
        return await alerts.forget(clock.now() - context.settings.retention)

    async def work(duty: int) -> None:
        if duty == ALERTS:
            await engine.work()

    return Piece(
        routes=(*alert_routes(Alerts(rules, alerts, post.channel_store, clock=clock)), *channel_routes(channels)),
        components=[Housekeeping("observer.tidy-alerts", TIDY, tidy)],
        stores=[rules, alerts, post.channel_store],
        work=work,
    )


def _duties(context: Context, works: Sequence[Work]) -> Duties:
    """What only one replica does at a time."""
    name = context.chance.token(8).hex()
    lease: timedelta = context.settings.lease
    leases = PartitionLeases(context.bus, "OBSERVER", partitions=DUTIES, replica=name, instance=name, lease=lease)

    async def work(duty: int) -> None:
        for one in works:
            await one(duty)

    duties = Duties(leases, work, lease=lease, clock=context.clock)
    context.metrics.gauge(
        "lease_age_seconds", "Time since this replica renewed what it owns; 0 without."
    ).labels().set_function(duties.lease_age)
    return duties


SERVICE = ServiceDefinition(name="observer", settings=ObserverSettings, build=build)
