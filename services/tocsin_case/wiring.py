"""Puts the case service together."""

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.signals.subjects import parse_signal
from tocsin_case.adapters.besides import MongoBesides
from tocsin_case.adapters.configured import COLLECTIONS, MongoConfiguration
from tocsin_case.adapters.runs import HttpRuns
from tocsin_case.adapters.stores import CASES, MongoCaseStore
from tocsin_case.application import (
    Alerts,
    Cases,
    ClockKeeper,
    Desk,
    Evidence,
    Intake,
    Ledger,
    Openings,
    Playbooks,
    Reports,
    Settings,
    Splitting,
    Talk,
    Tasks,
)
from tocsin_case.application.clocks import EVERY
from tocsin_case.http.beside_routes import Beside
from tocsin_case.http.routes import routes
from tocsin_case.http.work_routes import Work
from tocsin_case.ports import Runs
from tocsin_case.settings import CaseSettings
from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.bus.topology import consumer
from tocsin_kit.chance import Chance
from tocsin_kit.chassis import Component, Part, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.dead_letters import dead_letter_routes
from tocsin_kit.chassis.ticking import Ticking
from tocsin_kit.clock import Clock
from tocsin_kit.store import Database, Relay
from tocsin_kit.web import HttpServer, Limits, Route
from tocsin_kit.web.outside import RemoteAuthenticator

OUTBOXES = (CASES, *COLLECTIONS.values())


class Preparation(Part):
    """Makes the indexes."""

    def __init__(self, cases: MongoCaseStore, besides: MongoBesides, configuration: MongoConfiguration) -> None:
        super().__init__("preparation")
        self._cases, self._besides, self._configuration = cases, besides, configuration

    async def start(self) -> None:
        """Make them."""
        await self._cases.prepare()
        await self._besides.prepare()
        await self._configuration.prepare()


@dataclass(frozen=True, slots=True)
class Parts:
    """The use cases of the service over one database."""

    ledger: Ledger
    cases: Cases
    openings: Openings
    settings: Settings
    intake: Intake
    keeper: ClockKeeper
    work: Work
    beside: Beside
    evidence: Evidence
    preparation: Preparation

    def routes(self) -> Sequence[Route]:
        """What is served."""
        return routes(self.cases, self.openings, self.settings, self.work, self.beside, self.evidence)


def assemble(database: Database, relay: Relay, runs: Runs, *, clock: Clock, chance: Chance) -> Parts:
    """All use cases; what a test drives without HTTP."""
    store, besides, configuration = MongoCaseStore(database, relay), MongoBesides(database), MongoConfiguration(database, relay)
    desk = Desk(configuration, store)
    ledger = Ledger(store, desk, clock=clock)
    cases, openings = Cases(ledger), Openings(ledger, configuration, chance=chance)
    playbooks = Playbooks(ledger, besides, runs, chance=chance)
    intake = Intake(ledger, openings, configuration, playbooks, besides)
    talk, tasks = Talk(ledger, besides, chance=chance), Tasks(ledger, besides, chance=chance)
    evidence = Evidence(ledger, besides, chance=chance)
    return Parts(
        ledger=ledger,
        cases=cases,
        openings=openings,
        settings=Settings(configuration, clock=clock),
        intake=intake,
        keeper=ClockKeeper(ledger, besides),
        work=Work(
            cases,
            Alerts(ledger, intake, configuration),
            Reports(cases, talk, tasks, evidence, clock=clock),
            Splitting(ledger, besides, chance=chance),
        ),
        beside=Beside(talk, tasks, playbooks, desk),
        evidence=evidence,
        preparation=Preparation(store, besides, configuration),
    )


def build(context: ServiceContext[CaseSettings]) -> Sequence[Component]:
    """The components of the case service."""
    relay = Relay(context.database, context.bus, OUTBOXES)
    services = context.platform.services
    runs = HttpRuns(services.auth_url, services.executor_url, context.settings.service_secret, context.clock)
    parts = assemble(context.database, relay, runs, clock=context.clock, chance=context.chance)
    authenticator = RemoteAuthenticator(services.auth_url, context.clock)
    listening = Consumer(context.bus, consumer("case-signals"), parts.intake.hear, key=order, limits=context.limits)
    server = HttpServer(
        "case",
        (*parts.routes(), *dead_letter_routes("case", context.bus, [listening])),
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
        parts.preparation,
        relay,
        runs,
        listening,
        Ticking("case.clocks", EVERY, parts.keeper.check, clock=context.clock),
        authenticator,
        server,
    )


def order(delivery: Delivery) -> str:
    """What must be heard in order: failures and recoveries of one thing, of which a subject says namespace and entity."""
    place = parse_signal(delivery.subject)
    return f"{place.namespace}/{place.entity}"


SERVICE = ServiceDefinition(name="case", settings=CaseSettings, build=build)
