"""``catch`` and retry policies."""

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.expressions import Expression
from tocsin_executor.domain.compile.builder import Builder, Place
from tocsin_executor.domain.program import RetrySpec
from tocsin_executor.domain.values import Json


@dataclass(frozen=True, slots=True)
class Catch:
    """The parts of a ``catch`` that are no scopes or targets."""

    filter: dict[str, Json]
    name: str
    when: Expression | None
    unless: Expression | None
    retry: RetrySpec | None


def compile_catch(builder: Builder, catch: Mapping[str, Json], place: Place) -> Catch:
    """Which errors are caught, under which name, and how they are retried."""
    name = str(catch.get("as", "error"))
    errors = catch.get("errors")
    wanted = errors.get("with") if isinstance(errors, Mapping) else None
    when = builder.expression(catch["when"], place.at("when"), name) if "when" in catch else None
    unless = builder.expression(catch["exceptWhen"], place.at("exceptWhen"), name) if "exceptWhen" in catch else None
    retry = None
    if "retry" in catch:
        here = place.at("retry")
        policy = catch["retry"]
        if isinstance(policy, str):
            policy = builder.named("retries", policy, here)
        if isinstance(policy, Mapping):
            retry = _policy(builder, policy, here, name)
        else:
            builder.wrong(here, "a retry policy is an object, or the name of one under use.retries")
    return Catch(dict(wanted) if isinstance(wanted, Mapping) else {}, name, when, unless, retry)


def _policy(builder: Builder, policy: Mapping[str, Json], place: Place, name: str) -> RetrySpec:
    limit = policy.get("limit")
    limits = limit if isinstance(limit, Mapping) else {}
    attempt = limits.get("attempt")
    attempts = attempt if isinstance(attempt, Mapping) else {}
    count = attempts.get("count")
    jitter = policy.get("jitter")
    ends = None
    if isinstance(jitter, Mapping) and {"from", "to"} <= set(jitter):
        here = place.at("jitter")
        ends = builder.duration(jitter["from"], here.at("from"), name), builder.duration(jitter["to"], here.at("to"), name)
    backoff = policy.get("backoff")
    kinds = [kind for kind in ("exponential", "linear", "constant") if isinstance(backoff, Mapping) and kind in backoff]
    at_limit = place.at("limit")
    return RetrySpec(
        builder.expression(policy["when"], place.at("when"), name) if "when" in policy else None,
        builder.expression(policy["exceptWhen"], place.at("exceptWhen"), name) if "exceptWhen" in policy else None,
        builder.duration(policy["delay"], place.at("delay"), name) if "delay" in policy else None,
        kinds[0] if kinds else "constant",
        ends,
        count if isinstance(count, int) else None,
        builder.duration(attempts["duration"], at_limit.at("attempt", "duration")) if "duration" in attempts else None,
        builder.duration(limits["duration"], at_limit.at("duration"), name) if "duration" in limits else None,
    )
