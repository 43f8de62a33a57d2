"""Where the trigger service is put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from tocsin_kit.bus import Bus, Consumer
from tocsin_kit.bus.consumer import BatchHandler
from tocsin_kit.bus.secrets import SecretsClient
from tocsin_kit.bus.topology import consumer
from tocsin_kit.chance import new_id
from tocsin_kit.chassis import Component, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.dead_letters import dead_letter_routes
from tocsin_kit.chassis.ticking import Ticking
from tocsin_kit.store import Relay
from tocsin_kit.web import Authenticator, HttpServer, Limits, RemoteAuthenticator
from tocsin_kit.web.outgoing import OutgoingGuard
from tocsin_trigger.adapters.bucket import Buckets
from tocsin_trigger.adapters.event_bus import ConsumerProgress, JetStreamEvents
from tocsin_trigger.adapters.folder import Folders
from tocsin_trigger.adapters.foreign import ForeignSubjects
from tocsin_trigger.adapters.foreign_tokens import ForeignTokens
from tocsin_trigger.adapters.memory import MongoGroups, MongoWatches, MongoWishes
from tocsin_trigger.adapters.plugins import Plugins
from tocsin_trigger.adapters.polling import Fetching, HttpPolls
from tocsin_trigger.adapters.results import HttpResults
from tocsin_trigger.adapters.sealing import AesCipher
from tocsin_trigger.adapters.sensors import OutsideSensors
from tocsin_trigger.adapters.signal_filters import SignalFilters
from tocsin_trigger.adapters.stores import COLLECTIONS, Indexes, MongoEvents, MongoTriggers
from tocsin_trigger.application.bus_events import BusEvents
from tocsin_trigger.application.by_name import ByName
from tocsin_trigger.application.definitions import DefinitionTriggers
from tocsin_trigger.application.failures import Failures
from tocsin_trigger.application.intake import Intake
from tocsin_trigger.application.loops import LoopGuard
from tocsin_trigger.application.publishing import Publishing
from tocsin_trigger.application.refusals import Refusals
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.application.replaying import Replaying
from tocsin_trigger.application.signals import SignalEvents
from tocsin_trigger.application.subjects import SubjectEvents
from tocsin_trigger.application.timekeeping import Timekeeping
from tocsin_trigger.application.triggers import Triggers
from tocsin_trigger.application.watching import Watching
from tocsin_trigger.application.webhooks import Webhooks
from tocsin_trigger.domain.events import Channel, Outcome
from tocsin_trigger.http.firing_routes import firing_routes
from tocsin_trigger.http.hook_routes import hook_routes
from tocsin_trigger.http.intake_routes import intake_routes
from tocsin_trigger.http.replay_routes import replay_routes
from tocsin_trigger.http.routes import trigger_routes
from tocsin_trigger.settings import TriggerSection


class Verifier(Authenticator, Component, Protocol):
    """Verifies credentials, and has a life of its own."""


def build(context: ServiceContext[TriggerSection]) -> Sequence[Component]:
    """The components, in the order of their start."""
    return parts(context, RemoteAuthenticator(context.platform.services.url_of("auth"), context.clock))


@dataclass(frozen=True, slots=True)
class _Core:
    """What everything else in the service works with."""

    context: ServiceContext[TriggerSection]
    relay: Relay
    triggers: MongoTriggers
    events: MongoEvents
    groups: MongoGroups
    watches: MongoWatches
    cipher: AesCipher
    registry: Registry
    refusals: Refusals
    intake: Intake

    @classmethod
    def of(cls, context: ServiceContext[TriggerSection]) -> "_Core":
        """Stores, triggers and the one way in."""
        clock, metrics, database = context.clock, context.metrics, context.database
        relay = Relay(database, context.bus, COLLECTIONS)
        triggers, events, groups = MongoTriggers(database, relay), MongoEvents(database, relay), MongoGroups(database, relay)
        cipher = AesCipher(context.settings.key, context.chance)
        registry = Registry(triggers, cipher, clock)
        refused = metrics.counter("trigger_refused", "Webhooks and events that were refused.", code=16)
        decided = metrics.counter(
            "trigger_decisions",
            "Decisions of triggers about events.",
            channel=[channel.value for channel in Channel],
            outcome=[outcome.value for outcome in Outcome],
        )
        loops, most = LoopGuard(clock, context.settings.chain_rate), context.settings.most_groups
        intake = Intake(events, groups, loops, decided, most_groups=most)
        watches = MongoWatches(database, relay)
        return cls(
            context, relay, triggers, events, groups, watches, cipher, registry, Refusals(events, clock, refused), intake
        )

    def consumer(self, name: str, handle: BatchHandler) -> Consumer:
        """A durable consumer that hands many over at once."""
        context = self.context
        batch, limits = context.settings.batch, context.limits
        return Consumer(context.bus, consumer(name), handle_many=handle, batch=batch, limits=limits, metrics=context.metrics)


def parts(context: ServiceContext[TriggerSection], authenticator: Verifier) -> Sequence[Component]:
    """The same with another verifier of credentials."""
    core = _Core.of(context)
    clock, registry, intake = context.clock, core.registry, core.intake
    listening = core.consumer("trigger-events", BusEvents(registry, intake, core.refusals, clock).handle_many)
    filters = SignalFilters(context.bus, consumer("trigger-signals"), registry.signals, clock)
    keep = context.settings.keep_events
    triggers = Triggers(core.triggers, registry, filters, core.cipher, chance=context.chance, keep=keep)
    failures = Failures(registry, core.events, core.groups, triggers, failed=intake.failed, clock=clock)
    wishes = DefinitionTriggers(MongoWishes(context.database, core.relay), triggers, clock)
    signals = core.consumer("trigger-signals", SignalEvents(registry, intake, [failures.hear, wishes.hear], clock).handle_many)
    filters.serve_for(signals)
    progress = ConsumerProgress(context.bus, listening.spec, signals.spec)
    deadlines = Timekeeping(registry, core.events, core.groups, progress, clock)
    ticking = Ticking("deadlines", timedelta(seconds=1), deadlines.look, clock=clock)
    weighing = Ticking("failures", timedelta(seconds=1), failures.look, clock=clock)
    fetching = _fetching(context)
    sensors = _sensors(context, fetching)
    replica = f"{context.name}-{new_id(clock.now(), context.chance)}"
    watching = Watching(registry, core.watches, sensors, intake, replica=replica, clock=clock)
    indexes = Indexes(context.database, context.settings.keep_events)
    services = context.platform.services
    results = HttpResults(services.auth_url, services.executor_url, context.settings.service_secret, clock)
    tokens = ForeignTokens(fetching, clock)
    server = _server(core, triggers, (results, tokens), authenticator, [listening, signals])
    foreign = ForeignSubjects(
        _foreign(context), registry.subjects, SubjectEvents(registry, intake, clock, context.chance), clock
    )
    upkeep = (ticking, weighing, sensors, watching, foreign, results)
    return (indexes, core.relay, registry, filters, listening, signals, *upkeep, authenticator, server)


def _foreign(context: ServiceContext[TriggerSection]) -> Bus | None:
    settings = context.settings
    if settings.foreign_url is None:
        return None
    password = settings.foreign_password.reveal() if settings.foreign_password else None
    name = f"{context.name}-foreign"
    return Bus(settings.foreign_url, name=name, user=settings.foreign_user, password=password, clock=context.clock)


def _fetching(context: ServiceContext[TriggerSection]) -> Fetching:
    return Fetching(OutgoingGuard(allow_private=context.settings.allow_private, setting="trigger.allow_private"))


def _sensors(context: ServiceContext[TriggerSection], fetching: Fetching) -> OutsideSensors:
    settings = context.settings
    secrets = SecretsClient(context.bus, chance=context.chance)
    return OutsideSensors(
        Folders(settings.folders),
        HttpPolls(fetching, secrets),
        Buckets(fetching, secrets),
        Plugins(settings.plugins, secrets),
    )


def _server(
    core: _Core,
    triggers: Triggers,
    outside: tuple[HttpResults, ForeignTokens],
    authenticator: Verifier,
    consumers: Sequence[Consumer],
) -> HttpServer:
    context = core.context
    results, tokens = outside
    clock, chance = context.clock, context.chance
    bus = JetStreamEvents(context.bus, context.chance)
    webhooks = Webhooks(core.registry, core.events, core.intake, core.refusals, bus, tokens=tokens, clock=clock, chance=chance)
    routes = (
        *trigger_routes(triggers, clock),
        *firing_routes(ByName(core.registry, core.intake, chance), core.registry, core.groups, core.watches, clock),
        *hook_routes(webhooks, results, authenticator),
        *intake_routes(Publishing(bus), core.events, core.groups, core.registry),
        *replay_routes(Replaying(core.registry, core.events, core.intake, clock), clock),
        *dead_letter_routes(context.name, context.bus, consumers),
    )
    return HttpServer(
        context.name,
        routes,
        host=context.host,
        port=context.port,
        authenticator=authenticator,
        clock=clock,
        chance=chance,
        limits=Limits.of(context.platform.http),
        metrics=context.metrics,
        version=context.version,
        trusted_proxies=context.platform.http.trusted_proxies,
    )


SERVICE = ServiceDefinition(name="trigger", settings=TriggerSection, build=build)
