"""Puts lineage together."""

from collections.abc import Awaitable, Callable, Sequence

from tocsin.signals.subjects import parse_signal
from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.bus.topology import consumer
from tocsin_kit.chassis import Component, Part, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.dead_letters import dead_letter_routes
from tocsin_kit.chassis.housekeeping import Housekeeping
from tocsin_kit.chassis.ticking import Ticking
from tocsin_kit.store import Relay
from tocsin_kit.web import HttpServer, Limits
from tocsin_kit.web.outgoing import OutgoingGuard
from tocsin_kit.web.outside import RemoteAuthenticator
from tocsin_lineage.adapters.assets import ASSETS, SLOTS, MongoAssetStore
from tocsin_lineage.adapters.facts import MongoFactStore
from tocsin_lineage.adapters.graph import MongoEventStore, MongoGraphStore
from tocsin_lineage.adapters.journals import MongoEmissionStore, MongoEvaluationStore
from tocsin_lineage.adapters.receiver import HttpReceiver
from tocsin_lineage.adapters.runs import HttpWaits
from tocsin_lineage.application import (
    Assets,
    Automation,
    Backfills,
    FreshnessKeeper,
    Graph,
    Hearing,
    Intake,
    Recorder,
    automation,
    emitting,
    forgetting,
    freshness,
)
from tocsin_lineage.application.emitting import Emitting
from tocsin_lineage.application.forgetting import Forgetting
from tocsin_lineage.domain.emission import Emitter
from tocsin_lineage.http.routes import UseCases, routes
from tocsin_lineage.settings import LineageSettings

Prepare = Callable[[], Awaitable[None]]


class Preparation(Part):
    """Makes the indexes."""

    def __init__(self, *prepare: Prepare) -> None:
        super().__init__("preparation")
        self._prepare = prepare

    async def start(self) -> None:
        """Make them."""
        for prepare in self._prepare:
            await prepare()


class Emission(Ticking):
    """Sends what is due, and closes the connections in the end."""

    def __init__(self, emission: Emitting, receiver: HttpReceiver, context: ServiceContext[LineageSettings]) -> None:
        super().__init__("lineage.emission", emitting.EVERY, emission.send, clock=context.clock)
        self._receiver = receiver

    async def stop(self) -> None:
        """Close them."""
        await self._receiver.close()


def build(context: ServiceContext[LineageSettings]) -> Sequence[Component]:
    """Lineage's components."""
    database, clock = context.database, context.clock
    relay = Relay(database, context.bus, (ASSETS, SLOTS))
    store, edges, facts = MongoAssetStore(database, relay), MongoGraphStore(database), MongoFactStore(database)
    evaluations, events = MongoEvaluationStore(database), MongoEventStore(database)
    old = Forgetting(store, events, history=context.settings.history, clock=clock)
    assets, recorder = Assets(store, clock=clock), Recorder(store, clock=clock)
    services = context.platform.services
    waits = HttpWaits(services.auth_url, services.executor_url, context.settings.service_secret, clock=clock)
    keeper = FreshnessKeeper(store, facts, edges, waits, clock=clock)
    automatic = Automation(store, evaluations, clock=clock)
    emission = _emission(context)
    hearing = Hearing(facts, edges, recorder, followers=[automatic.hear])
    listening = Consumer(context.bus, consumer("lineage-signals"), hearing.hear, key=_entity, limits=context.limits)
    cases = UseCases(
        assets=assets,
        recorder=recorder,
        intake=Intake(events, edges, recorder),
        graph=Graph(edges, store),
        backfills=Backfills(assets, store, clock=clock),
        keeper=keeper,
        evaluations=evaluations,
    )
    authenticator = RemoteAuthenticator(services.auth_url, clock)
    server = HttpServer(
        "lineage",
        (*routes(cases, clock=clock), *dead_letter_routes("lineage", context.bus, [listening])),
        host=context.host,
        port=context.port,
        authenticator=authenticator,
        clock=clock,
        chance=context.chance,
        limits=Limits(body_bytes=context.platform.http.max_body, drain=context.platform.http.drain),
        version=context.version,
        trusted_proxies=context.platform.http.trusted_proxies,
    )
    return (
        Preparation(store.prepare, edges.prepare, facts.prepare, evaluations.prepare),
        relay,
        waits,
        listening,
        Ticking("lineage.freshness", freshness.EVERY, keeper.check, clock=clock),
        Ticking("lineage.automation", automation.EVERY, automatic.check, clock=clock),
        *emission,
        Housekeeping("lineage.tidy", forgetting.WHEN, old.tidy),
        authenticator,
        server,
    )


def _emission(context: ServiceContext[LineageSettings]) -> Sequence[Component]:
    """What tells another catalogue, if one is to be told."""
    chosen = context.settings
    if chosen.emit_url is None:
        return ()
    guard = OutgoingGuard(allow_private=chosen.emit_allow_private, setting="lineage.emit_allow_private")
    receiver = HttpReceiver(chosen.emit_url, chosen.emit_token, guard)
    emitter = Emitter(chosen.emit_namespace, context.version)
    emission = Emitting(emitter, MongoEmissionStore(context.database), receiver, clock=context.clock)
    listening = Consumer(context.bus, consumer("lineage-emission"), emission.take, key=_entity, limits=context.limits)
    return listening, Emission(emission, receiver, context)


def _entity(delivery: Delivery) -> str:
    """Signals of one run, asset or schedule must be heard in order."""
    place = parse_signal(delivery.subject)
    return f"{place.namespace}/{place.id}"


SERVICE = ServiceDefinition(name="lineage", settings=LineageSettings, build=build)
