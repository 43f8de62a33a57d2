"""Where the trigger service is put together."""

from collections.abc import Sequence
from typing import Protocol

from tocsin_kit.bus import Consumer
from tocsin_kit.bus.topology import consumer
from tocsin_kit.chassis import Component, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.dead_letters import dead_letter_routes
from tocsin_kit.store import Relay
from tocsin_kit.web import Authenticator, HttpServer, Limits, RemoteAuthenticator
from tocsin_trigger.adapters.event_bus import JetStreamEvents
from tocsin_trigger.adapters.sealing import AesCipher
from tocsin_trigger.adapters.stores import COLLECTIONS, Indexes, MongoEvents, MongoTriggers
from tocsin_trigger.application.bus_events import BusEvents
from tocsin_trigger.application.publishing import Publishing
from tocsin_trigger.application.refusals import Refusals
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.application.replaying import Replaying
from tocsin_trigger.application.triggers import Triggers
from tocsin_trigger.application.webhooks import Webhooks
from tocsin_trigger.domain.events import Channel, Outcome
from tocsin_trigger.http.intake_routes import intake_routes
from tocsin_trigger.http.replay_routes import replay_routes
from tocsin_trigger.http.routes import trigger_routes
from tocsin_trigger.settings import TriggerSection


class Verifier(Authenticator, Component, Protocol):
    """Verifies credentials, and has a life of its own."""


def build(context: ServiceContext[TriggerSection]) -> Sequence[Component]:
    """The components, in the order of their start."""
    return parts(context, RemoteAuthenticator(context.platform.services.url_of("auth"), context.clock))


def parts(context: ServiceContext[TriggerSection], authenticator: Verifier) -> Sequence[Component]:
    """The same with another verifier of credentials."""
    clock, chance, metrics = context.clock, context.chance, context.metrics
    relay = Relay(context.database, context.bus, COLLECTIONS)
    triggers, events = MongoTriggers(context.database, relay), MongoEvents(context.database, relay)
    cipher = AesCipher(context.settings.key, chance)
    bus = JetStreamEvents(context.bus)
    refused = metrics.counter("trigger_refused", "Webhooks and events that were refused.", code=16)
    decided = metrics.counter(
        "trigger_decisions",
        "Decisions of triggers about events.",
        channel=[channel.value for channel in Channel],
        outcome=[outcome.value for outcome in Outcome],
    )
    refusals = Refusals(events, clock, refused)
    registry = Registry(triggers, cipher, clock)
    webhooks = Webhooks(registry, events, refusals, bus, clock=clock, chance=chance, decided=decided)
    bus_events = BusEvents(registry, events, refusals, clock=clock, decided=decided)
    listening = Consumer(
        context.bus,
        consumer("trigger-events"),
        handle_many=bus_events.handle_many,
        batch=context.settings.batch,
        limits=context.limits,
        metrics=metrics,
    )
    routes = (
        *trigger_routes(Triggers(triggers, registry, cipher, chance), clock),
        *intake_routes(webhooks, Publishing(bus), events, registry),
        *replay_routes(Replaying(registry, events, clock), clock),
        *dead_letter_routes(context.name, context.bus, [listening]),
    )
    server = HttpServer(
        context.name,
        routes,
        host=context.host,
        port=context.port,
        authenticator=authenticator,
        clock=clock,
        chance=chance,
        limits=Limits.of(context.platform.http),
        metrics=metrics,
        version=context.version,
        trusted_proxies=context.platform.http.trusted_proxies,
    )
    return (Indexes(context.database, context.settings.keep_events), relay, registry, listening, authenticator, server)


SERVICE = ServiceDefinition(name="trigger", settings=TriggerSection, build=build)
