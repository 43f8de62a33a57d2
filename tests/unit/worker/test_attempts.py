"""From a dispatch to an outcome: secrets are asked for, evaluated where they are needed, and gone behind it."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from tocsin.errors import Unavailable
from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.domain.compile import compile_workflow
from tocsin_executor.domain.program import TaskSpec
from tocsin_executor.worker.attempts import Attempts
from tocsin_executor.worker.policies import Bearer, Policy
from tocsin_executor.worker.secrets import LocalSecrets, SecretSource
from tocsin_executor.worker.tasks import Outcome, Task
from tocsin_kit.bus.secrets import SecretForbidden
from tocsin_kit.config import Secret
from tocsin_kit.testing import ManualClock

ABOUT = {"dsl": "1.0.3", "namespace": "team", "name": "flow", "version": "1.0.0"}
HELD = LocalSecrets(Secret('{"token": "canary-4711", "login": {"username": "u", "password": "canary-0815"}}'), None)


class Echo:
    """Gives back what it was told to do, and prints it."""

    async def run(self, task: Task) -> Outcome:
        task.say("stdout", str(task.spec))
        self.seen = task.spec
        return Outcome({"spec": task.spec, "input": task.input})


class Odd:
    """Gives what cannot be written."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    async def run(self, task: Task) -> Outcome:
        task.say("stdout", "half \udcff")
        return self.outcome


class Hurried(ManualClock):
    """Sleeps pass at once."""

    async def sleep(self, delay: timedelta | float) -> None:
        """Pass."""


class Away:
    """An auth service that is down, or refuses."""

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, 0

    async def resolve(self, namespace: str, names: Collection[str], *, used_by: Mapping[str, str]) -> Mapping[str, Secret]:
        self.asked += 1
        self.used_by = used_by
        raise self.error


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(1) as opened:
        yield opened


def task_of(body: dict[str, Any], given: Any = None, **variables: Any) -> Task:
    document = {"document": ABOUT, "use": {"secrets": ["token", "login"]}, "do": [{"t": body}]}
    spec = compile_workflow(document, "d").nodes[1].spec
    assert isinstance(spec, TaskSpec)
    assert spec.deferred
    return Task("r", "h:1#1", spec.runner, "t", "/do/0/t", "team", spec.source, given, dict(variables), None, None, "s")


async def done(task: Task, sandbox: Sandbox, source: SecretSource = HELD) -> tuple[Outcome, Echo]:
    echo, clock = Echo(), Hurried()
    return await Attempts({"http": echo, "shell": echo}, sandbox, source, clock).outcome(task), echo


async def test_the_runner_sees_the_value_and_nobody_else(sandbox: Sandbox) -> None:
    """In a header; the output that repeats it is redacted."""
    call = {"call": "http", "with": {"method": "get", "endpoint": "http://x/{id}", "headers": {"t": "${ $secrets.token }"}}}
    outcome, echo = await done(task_of(call, {"id": 7}), sandbox)
    assert echo.seen == {"method": "get", "endpoint": "http://x/7", "headers": {"t": "canary-4711"}}
    assert outcome.error is None
    assert "canary" not in str(outcome.output)
    assert "'t': '***'" in str(outcome.output)


async def test_input_from_with_secrets_is_evaluated_by_the_worker(sandbox: Sandbox) -> None:
    """The reference allows it there; the run's state keeps the raw input."""
    body = {
        "input": {"from": {"key": "${ $secrets.login.password }", "n": "${ .n + 1 }"}},
        "run": {"shell": {"command": "x", "stdin": "${ $input.key }", "arguments": ["${ .n }"]}},
    }
    outcome, echo = await done(task_of(body, {"n": 1}, input={"n": 1}), sandbox)
    assert echo.seen == {"command": "x", "stdin": "canary-0815", "arguments": [2], "return": "stdout"}
    assert "canary" not in str(outcome)


async def test_a_secret_that_is_not_there_is_an_authorization_error(sandbox: Sandbox) -> None:
    """403, as the language says."""
    call = {"call": "http", "with": {"method": "get", "endpoint": "http://x", "headers": {"t": "${ $secrets.token }"}}}
    outcome, _ = await done(task_of(call), sandbox, LocalSecrets(Secret("{}"), None))
    assert outcome.error is not None
    assert str(outcome.error["type"]).endswith("/authorization")
    assert outcome.error["status"] == 403
    away = Away(SecretForbidden("token may be used by other workflows only"))
    outcome, _ = await done(task_of(call), sandbox, away)
    assert outcome.error is not None
    assert outcome.error["status"] == 403
    assert away.used_by == {"run": "r", "task": "t", "reference": "/do/0/t", "workflow": "flow"}


async def test_a_failing_expression_tells_nothing_of_the_secret(sandbox: Sandbox) -> None:
    """Jq's own words have the value in them."""
    call = {"call": "http", "with": {"method": "get", "endpoint": "http://x", "query": {"q": "${ $secrets.token | .a }"}}}
    outcome, _ = await done(task_of(call), sandbox)
    assert outcome.error is not None
    assert str(outcome.error["type"]).endswith("/expression")
    assert "cana" not in str(outcome.error)


async def test_an_auth_service_that_is_away_is_asked_again_and_then_a_communication_error(sandbox: Sandbox) -> None:
    """A retry of the workflow's can take over from there."""
    endpoint = {"uri": "http://x", "authentication": {"basic": {"use": "login"}}}
    call = {"call": "http", "with": {"method": "get", "endpoint": endpoint}}
    away, task = Away(Unavailable("not there")), task_of(call)
    clock = Hurried()
    attempts = Attempts({"http": Echo()}, sandbox, away, clock)
    outcome = await attempts.outcome(task)
    assert away.asked == 7
    assert outcome.error is not None
    assert (outcome.error["status"], str(outcome.error["type"]).rpartition("/")[2]) == (503, "communication")


async def test_what_an_authentication_comes_to_can_be_named(sandbox: Sandbox) -> None:
    """``$authorization`` has the scheme and its parameter, in the task's definition only, and is a secret like any other."""

    async def authorize(task: Task, policy: Policy) -> str:
        assert isinstance(policy, Bearer)
        task.redaction.hide(policy.token)
        return f"Bearer {policy.token}"

    endpoint = {"uri": "http://x", "authentication": {"bearer": {"token": "${ .token }"}}}
    query = {"q": "${ $authorization.scheme + $authorization.parameter }"}
    task = task_of({"call": "http", "with": {"method": "get", "endpoint": endpoint, "query": query}}, {"token": "canary-1"})
    echo = Echo()
    outcome = await Attempts({"http": echo}, sandbox, HELD, Hurried(), authorize=authorize).outcome(task)
    assert isinstance(echo.seen, dict)
    assert echo.seen["query"] == {"q": "Bearercanary-1"}
    assert "canary" not in str(outcome.output["spec"])  # type: ignore[index, call-overload]


async def test_a_digest_is_named_before_there_is_one(sandbox: Sandbox) -> None:
    """What it comes to is made for each request, of what the service asks: there is a scheme, and no parameter yet."""

    async def authorize(task: Task, policy: Policy) -> str:
        raise AssertionError

    endpoint = {"uri": "http://x", "authentication": {"digest": {"username": "u", "password": "p"}}}
    call = {"call": "http", "with": {"method": "get", "endpoint": endpoint, "query": "${ $authorization }"}}
    echo = Echo()
    await Attempts({"http": echo}, sandbox, HELD, Hurried(), authorize=authorize).outcome(task_of(call))
    assert isinstance(echo.seen, dict)
    assert echo.seen["query"] == {"scheme": "Digest", "parameter": ""}


async def test_the_code_of_a_task_can_be_somebody(sandbox: Sandbox) -> None:
    """`metadata.token: true` puts the platform's address and a token of the run into its environment; it leaves it nowhere."""
    said = []

    @asynccontextmanager
    async def identity(task: Task) -> AsyncIterator[dict[str, Any]]:
        task.redaction.hide("canary-token")
        yield {"TOCSIN_URL": "http://x", "TOCSIN_TOKEN": "canary-token"}
        said.append("over")

    shell = {"command": "x", "environment": {"A": "1"}}
    document = {"document": ABOUT, "do": [{"t": {"metadata": {"token": True}, "run": {"shell": shell}}}]}
    spec = compile_workflow(document, "d").nodes[1].spec
    assert isinstance(spec, TaskSpec)
    assert isinstance(spec.source, dict)
    task = Task("r", "h:1#1", "shell", "t", "/do/0/t", "team", dict(spec.source), None, None, None, None, "s")
    echo = Echo()
    outcome = await Attempts({"shell": echo}, sandbox, HELD, Hurried(), identity=identity).outcome(task)
    assert isinstance(echo.seen, dict)
    assert echo.seen["environment"] == {"TOCSIN_URL": "http://x", "TOCSIN_TOKEN": "canary-token", "A": "1"}
    assert "token" not in echo.seen
    assert "canary" not in str(outcome.output)
    assert said == ["over"], "the token ends with the task"


@pytest.mark.parametrize(
    ("given", "output", "error"),
    [
        (Outcome({"a\udcff": ["b\ud800", 1]}), {"a?": ["b?", 1]}, None),
        (Outcome(error={"type": "t", "status": 400, "detail": "no \udcff"}), None, "no ?"),
        (Outcome({"big": 2**70}), None, "The output cannot be written: TypeError."),
        (Outcome({"odd": object()}), None, "The output cannot be written: TypeError."),  # type: ignore[dict-item]
    ],
)
async def test_nothing_that_a_task_gives_ends_the_worker(
    sandbox: Sandbox, given: Outcome, output: Any, error: str | None
) -> None:
    """Bytes that a server sends as text, numbers beyond JSON: the task's output or its error, and never a crash."""
    said: list[str] = []
    task = Task(
        "r", "h:1#1", "odd", "t", "/do/0/t", "n", None, None, None, None, None, "s", say=lambda _, line: said.append(line)
    )
    found = await Attempts({"odd": Odd(given)}, sandbox, HELD, ManualClock()).outcome(task)
    assert (found.output, said) == (output, ["half ?"])
    assert (found.error or {}).get("detail") == error
