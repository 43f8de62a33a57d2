"""Puts the scheduler together."""

from collections.abc import Sequence

from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.topology import consumer
from tocsin_kit.chassis import Component, Part, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.dead_letters import dead_letter_routes
from tocsin_kit.chassis.housekeeping import Housekeeping
from tocsin_kit.store import Relay
from tocsin_kit.web import Authenticator, HttpServer, Limits
from tocsin_kit.web.outside import RemoteAuthenticator
from tocsin_scheduler.adapters.backfills import BACKFILLS, MongoBackfillStore
from tocsin_scheduler.adapters.history import MongoHistory
from tocsin_scheduler.adapters.store import SCHEDULES, MongoScheduleStore
from tocsin_scheduler.application import Firer, Reconciler, RunEnds, Schedules, Timekeeper
from tocsin_scheduler.application.backfilling import Backfills
from tocsin_scheduler.application.commands import BackfillCommands
from tocsin_scheduler.application.definitions import DefinitionSchedules, definition_key
from tocsin_scheduler.http.backfills import backfill_routes
from tocsin_scheduler.http.routes import routes
from tocsin_scheduler.settings import SchedulerSettings

RECONCILE = "17 * * * *"  # once an hour, beside the full hour where most schedules fire


class Preparation(Part):
    """Makes the indexes."""

    def __init__(self, *stores: MongoScheduleStore | MongoBackfillStore | MongoHistory) -> None:
        super().__init__("preparation")
        self._stores = stores

    async def start(self) -> None:
        """Make them."""
        for store in self._stores:
            await store.prepare()


def build(context: ServiceContext[SchedulerSettings]) -> Sequence[Component]:
    """The components of the scheduler."""
    authenticator = RemoteAuthenticator(context.platform.services.auth_url, context.clock)
    return (authenticator, *parts(context, authenticator))


def parts(context: ServiceContext[SchedulerSettings], authenticator: Authenticator) -> Sequence[Component]:
    """The components but for the one that proves who sends a request."""
    relay = Relay(context.database, context.bus, (SCHEDULES, BACKFILLS))
    store = MongoScheduleStore(context.database, relay)
    firer = Firer(store, clock=context.clock, metrics=context.metrics)
    timekeeper = Timekeeper(store, firer, clock=context.clock)
    schedules = Schedules(store, firer, timekeeper, clock=context.clock)
    history, of_backfills = MongoHistory(context.database, context.clock), MongoBackfillStore(context.database, relay)
    backfills = Backfills(of_backfills, store, history, clock=context.clock)
    ends = RunEnds(store, timekeeper, backfills, history, clock=context.clock)
    commands = Consumer(
        context.bus, consumer("scheduler-commands"), handle=BackfillCommands(backfills).hear, limits=context.limits
    )
    listening = Consumer(context.bus, consumer("scheduler-runs"), handle_many=ends.hear, limits=context.limits)
    of_definitions = Consumer(
        context.bus,
        consumer("scheduler-definitions"),
        handle=DefinitionSchedules(store, schedules).hear,
        key=definition_key,
        limits=context.limits,
    )
    server = HttpServer(
        "scheduler",
        (
            *routes(schedules, context.clock),
            *backfill_routes(backfills, history),
            *dead_letter_routes("scheduler", context.bus, [listening, of_definitions, commands]),
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
        Preparation(store, of_backfills, history),
        relay,
        listening,
        of_definitions,
        commands,
        timekeeper,
        Housekeeping("scheduler.reconcile", RECONCILE, Reconciler(store).check),
        server,
    )


SERVICE = ServiceDefinition(name="scheduler", settings=SchedulerSettings, build=build)
