"""What each service's NATS user may publish and subscribe to: its own subjects and nothing else.

Derived from the catalogue of signals (who owns which entity) and from the topology (who reads what), plus a short table of
what one service asks of another. The NATS configuration of every installation is made from here, so a new signal or consumer
needs no second edit. Known bound: JetStream's API names a dead letter to read or delete in the body of a request, where
subjects cannot tell services apart; a service therefore could read another's dead letters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.signals.catalogue import CATALOGUE
from tocsin.signals.catalogue.platform import ANY_SERVICE
from tocsin_kit.bus.topology import CONSUMERS, ConsumerSpec, streams_of

API: Final = "$JS.API"

PLATFORM_ACCOUNT: Final = "PLATFORM"
PEOPLE_ACCOUNT: Final = "PEOPLE"
SYSTEM_ACCOUNT: Final = "SYSTEM"

END_CONNECTION: Final = "auth.end"
"""The auth service publishes ``auth.end.<id of a NATS server>`` to end a connection there; the server's own account does it."""

SERVICES: Final = ("auth", "trigger", "scheduler", "executor", "worker", "lineage", "case", "observer", "gateway")
_KICK: Final = "$SYS.REQ.SERVER.*.KICK"

# Which services may be asked by which; the verb and key are free.
_COMMANDS: Final = {
    "trigger": ("executor",),
    "scheduler": ("executor",),
    "case": ("executor",),
    "lineage": ("executor", "scheduler"),
    "executor": ("executor",),  # sub-workflows
    "observer": ("executor",),  # what an alert has done: a run cancelled, a workflow started
}

# Who says what was asked of it over HTTP, and with what outcome.
_ANSWERS_HTTP: Final = tuple(name for name in SERVICES if name != "worker")

# Who may ask the auth service for secrets; each under its own name, which is how the auth service knows who asks.
ASKS_FOR_SECRETS: Final = ("executor", "worker", "trigger", "observer")

# Who may ask it for tokens of runs, for the code of tasks.
RUNS_TASKS: Final = ("executor", "worker")

# What was withdrawn before it expired (tocsin_kit.web.revocations): every service verifies credentials.
_ALL_PUBLISH: Final = ("auth.revocations",)
_ALL_SUBSCRIBE: Final = ("auth.revoked",)

# Large values of runs: pieces are written and read by digest, which only those know who were given it.
_VALUES: Final = ("values.>", f"{API}.DIRECT.GET.VALUES.values.>")

# What is neither a signal nor a command of the topology, and why.
_PUBLISH: Final = {
    "auth": ("auth.revoked", f"{END_CONNECTION}.*"),
    "trigger": ("events.>",),  # accepted webhooks and events that came over HTTP
    "executor": (
        "events.>",  # the emit task
        "logs.>",  # of the tasks that its own worker runs
        "workers.*",
        "workers.orders.*",  # to drain, to go on
        "executor.>",
        f"{API}.STREAM.*.EXECUTOR",
        f"{API}.STREAM.*.TASKS",
        f"{API}.STREAM.MSG.GET.TASKS",
        f"{API}.CONSUMER.LIST.TASKS",
        f"{API}.CONSUMER.*.TASKS.>",
        f"{API}.CONSUMER.MSG.NEXT.TASKS.>",
        "$JS.ACK.TASKS.>",
        "$JS.FC.TASKS.>",
        f"{API}.STREAM.MSG.GET.SIGNALS",  # the signals of one run, for its page
        f"{API}.CONSUMER.LIST.EXECUTOR",  # how far the workers are, for the stream's retention
        f"{API}.STREAM.MSG.GET.EXECUTOR",
        f"{API}.DIRECT.GET.EXECUTOR",
        f"{API}.DIRECT.GET.EXECUTOR.>",
        f"{API}.CONSUMER.LIST.EXECUTOR",  # how far every reader is, before old inputs are purged
        f"{API}.CONSUMER.CREATE.EXECUTOR",  # the ordered log reader, which filters on several subjects
        f"{API}.CONSUMER.*.EXECUTOR.>",
        f"{API}.CONSUMER.MSG.NEXT.EXECUTOR.>",
        "$JS.ACK.EXECUTOR.>",
        "$JS.FC.EXECUTOR.>",  # flow control of the ordered log reader
        *_VALUES,
        f"{API}.STREAM.PURGE.VALUES",  # of runs that are kept no longer
        f"{API}.CONSUMER.CREATE.LOGS.*.logs.>",  # what a run prints, followed while it runs
        f"{API}.CONSUMER.DELETE.LOGS.*",
        "$JS.FC.LOGS.>",
        f"{API}.STREAM.*.KV_EXECUTOR",  # leases of the partitions
        f"{API}.STREAM.MSG.GET.KV_EXECUTOR",
        f"{API}.DIRECT.GET.KV_EXECUTOR",
        f"{API}.DIRECT.GET.KV_EXECUTOR.>",
        f"{API}.CONSUMER.*.KV_EXECUTOR.>",
        "$KV.EXECUTOR.>",
        # Events and signals for runs that listen: an ordered reader of each stream, made anew after a pause.
        f"{API}.CONSUMER.CREATE.EVENTS.*.events.>",
        f"{API}.CONSUMER.CREATE.SIGNALS.*.signals.>",
        f"{API}.CONSUMER.DELETE.EVENTS.*",
        f"{API}.CONSUMER.DELETE.SIGNALS.*",
        "$JS.FC.EVENTS.>",
        "$JS.FC.SIGNALS.>",
    ),
    "worker": (
        "executor.in.>",
        *_VALUES,
        "logs.>",
        "workers.*",  # that it is there, for whoever listens
        f"{API}.STREAM.INFO.EXECUTOR",
        f"{API}.CONSUMER.CREATE.TASKS.*.executor.task.>",
        f"{API}.CONSUMER.INFO.TASKS.*",
        f"{API}.CONSUMER.MSG.NEXT.TASKS.*",
        "$JS.ACK.TASKS.>",
        f"{API}.CONSUMER.CREATE.EXECUTOR.*.executor.evaluate.>",
        f"{API}.CONSUMER.CREATE.EXECUTOR.*.executor.revoke.>",  # revocations, as an ordered log
        "$JS.FC.EXECUTOR.>",
        f"{API}.CONSUMER.INFO.EXECUTOR.*",
        f"{API}.CONSUMER.MSG.NEXT.EXECUTOR.*",
        "$JS.ACK.EXECUTOR.>",
    ),
    # The live stream of signals: an ephemeral consumer for each listener.
    "observer": (
        f"{API}.STREAM.*.KV_OBSERVER",  # leases of what only one replica does
        f"{API}.STREAM.MSG.GET.KV_OBSERVER",
        "$KV.OBSERVER.>",
        "observer.>",  # replicas wake one another
        f"{API}.CONSUMER.CREATE.SIGNALS",
        f"{API}.CONSUMER.CREATE.SIGNALS.>",
        f"{API}.CONSUMER.INFO.SIGNALS.*",
        f"{API}.CONSUMER.DELETE.SIGNALS.*",
        f"{API}.CONSUMER.MSG.NEXT.SIGNALS.*",
        f"{API}.STREAM.MSG.GET.SIGNALS",
        f"{API}.DIRECT.GET.SIGNALS",
        f"{API}.DIRECT.GET.SIGNALS.>",
        "$JS.ACK.SIGNALS.>",
        "$JS.FC.SIGNALS.>",
    ),
}

_SUBSCRIBE: Final = {
    "auth": (
        "$SYS.REQ.USER.AUTH",  # people's and programs' logins
        "secrets.resolve.*",  # secrets of workflows, for the services that may ask
        "secrets.run-token.*",
        "auth.revocations",
    ),
    "executor": ("executor.>", "workers.*", "workers.orders.*"),
    "worker": ("executor.revoke.>", "workers.*", "workers.orders.*"),  # who else is there: containers of those that are not
    "observer": ("signals.>", "observer.>", "health.*"),
}


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a NATS user may do.

    Attributes:
        publish: Subjects, with wildcards; everything else is refused.
        subscribe: The same for listening.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def permissions_of(service: str) -> Permissions:
    """The permissions of a service's user.

    Args:
        service: One of :data:`SERVICES`.

    Raises:
        KeyError: There is no such service.
    """
    if service not in SERVICES:
        raise KeyError(service)
    publish = dict.fromkeys(
        (
            *_signals(service),
            *_commands(service),
            *_dead(service),
            *_secrets(service),
            *_api(service),
            *_ALL_PUBLISH,
            f"health.{service}",  # how it is, for whoever listens
            *_PUBLISH.get(service, ()),
        )
    )
    subscribe = (f"_INBOX_{service}.>", *_ALL_SUBSCRIBE, *_SUBSCRIBE.get(service, ()))
    return Permissions(tuple(publish), subscribe)


def _signals(service: str) -> Iterator[str]:
    for kind in CATALOGUE.values():
        if kind.owner == service or (kind.owner == ANY_SERVICE and service in _ANSWERS_HTTP):
            yield f"signals.*.{kind.entity}.>"


def _commands(service: str) -> Iterator[str]:
    for other in _COMMANDS.get(service, ()):
        yield f"commands.{other}.>"


def _dead(service: str) -> Iterator[str]:
    if "DEAD" not in streams_of(service):
        return
    yield f"dead.{service}.>"
    yield f"{API}.DIRECT.GET.DEAD"
    yield f"{API}.STREAM.MSG.DELETE.DEAD"


def _secrets(service: str) -> Iterator[str]:
    if service in ASKS_FOR_SECRETS:
        yield f"secrets.resolve.{service}"
    if service in RUNS_TASKS:
        yield f"secrets.run-token.{service}"


def _api(service: str) -> Iterator[str]:
    for stream in streams_of(service):
        for verb in ("CREATE", "UPDATE", "INFO"):
            yield f"{API}.STREAM.{verb}.{stream}"
    for spec in CONSUMERS:
        if spec.service == service:
            yield from _consumer(spec)


def _consumer(spec: ConsumerSpec) -> Iterator[str]:
    place = f"{spec.stream}.{spec.name}"
    # With one filter the server checks that the filter in the subject is the one in the request.
    yield f"{API}.CONSUMER.CREATE.{place}.{spec.filters[0]}" if len(spec.filters) == 1 else f"{API}.CONSUMER.CREATE.{place}"
    yield f"{API}.CONSUMER.INFO.{place}"
    yield f"{API}.CONSUMER.MSG.NEXT.{place}"
    yield f"$JS.ACK.{place}.>"


def authorization(users: Sequence[str], *, issuer: str, names: Sequence[str]) -> list[str]:
    """The lines of a NATS configuration that say who may come in: services by password, everybody else by the auth service.

    People and programs are in an account of their own, which sees nothing of the platform's but custom events going in and
    signals coming out. Permissions alone would not do: JetStream answers to whatever reply subject a publisher names, and asks
    nobody whether that publisher might write there. Between two accounts an answer reaches only the account that asked.
    The account of the server itself has no users; one thing of it, ending a connection, is lent to the platform's account.

    Args:
        users: One entry of the configuration language for each service.
        issuer: Public account nkey that signs what the auth service says.
        names: The services' user names, which are not asked about.
    """
    listed = ", ".join(f'"{name}"' for name in names)
    return [
        f"system_account: {SYSTEM_ACCOUNT}",
        "accounts {",
        f'  {SYSTEM_ACCOUNT} {{ exports: [ {{ service: "{_KICK}", accounts: [{PLATFORM_ACCOUNT}] }} ] }}',
        f"  {PLATFORM_ACCOUNT} {{",
        "    jetstream: enabled",
        '    exports: [ { service: "events.>" }, { stream: "signals.>" } ]',
        f'    imports: [ {{ service: {{ account: {SYSTEM_ACCOUNT}, subject: "{_KICK}" }}, to: "{END_CONNECTION}.*" }} ]',
        "    users: [",
        *(f"      {user}" for user in users),
        "    ]",
        "  }",
        f"  {PEOPLE_ACCOUNT} {{",
        "    imports: [",
        f'      {{ service: {{ account: {PLATFORM_ACCOUNT}, subject: "events.>" }} }}',
        f'      {{ stream: {{ account: {PLATFORM_ACCOUNT}, subject: "signals.>" }} }}',
        "    ]",
        "  }",
        "}",
        f'authorization {{ auth_callout {{ issuer: "{issuer}", account: {PLATFORM_ACCOUNT}, auth_users: [{listed}] }} }}',
    ]
