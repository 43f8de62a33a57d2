"""Puts the case service together."""

from collections.abc import Sequence

from tocsin.signals.subjects import parse_signal
from tocsin_case.adapters.stores import CASES, RULES, MongoCaseStore, MongoRuleStore
from tocsin_case.application import Cases, ClockKeeper, Failures, Rules
from tocsin_case.application.clocks import EVERY
from tocsin_case.http.routes import routes
from tocsin_case.settings import CaseSettings
from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.bus.topology import consumer
from tocsin_kit.chassis import Component, Part, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.dead_letters import dead_letter_routes
from tocsin_kit.chassis.ticking import Ticking
from tocsin_kit.store import Relay
from tocsin_kit.web import HttpServer, Limits
from tocsin_kit.web.outside import RemoteAuthenticator


class Preparation(Part):
    """Makes the indexes."""

    def __init__(self, cases: MongoCaseStore, rules: MongoRuleStore) -> None:
        super().__init__("preparation")
        self._cases, self._rules = cases, rules

    async def start(self) -> None:
        """Make them."""
        await self._cases.prepare()
        await self._rules.prepare()


def build(context: ServiceContext[CaseSettings]) -> Sequence[Component]:
    """The components of the case service."""
    relay = Relay(context.database, context.bus, (CASES, RULES))
    cases, rules = MongoCaseStore(context.database, relay), MongoRuleStore(context.database, relay)
    failures = Failures(cases, rules, clock=context.clock)
    authenticator = RemoteAuthenticator(context.platform.services.auth_url, context.clock)
    listening = Consumer(context.bus, consumer("case-signals"), failures.hear, key=_namespace, limits=context.limits)
    server = HttpServer(
        "case",
        (
            *routes(Cases(cases, clock=context.clock, chance=context.chance), Rules(rules, clock=context.clock)),
            *dead_letter_routes("case", context.bus, [listening]),
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
        Preparation(cases, rules),
        relay,
        listening,
        Ticking("case.clocks", EVERY, ClockKeeper(cases, clock=context.clock).check, clock=context.clock),
        authenticator,
        server,
    )


def _namespace(delivery: Delivery) -> str:
    """Failures and recoveries of one workflow must be heard in order; the namespace is the finest key a subject offers."""
    return parse_signal(delivery.subject).namespace


SERVICE = ServiceDefinition(name="case", settings=CaseSettings, build=build)
