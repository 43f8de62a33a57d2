"""One attempt from its task to its outcome: secrets, what the engine left to be evaluated, the runner, and its output."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from typing import Final, TypeAlias

import structlog

from tocsin.errors import TocsinError, TooLarge
from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.application.apart import Apart
from tocsin_executor.domain.large import Large
from tocsin_executor.domain.requests import Deferred, UriUnresolved, at_place, read_deferred, with_uri
from tocsin_executor.domain.values import ErrorKind, Json, problem
from tocsin_executor.worker.policies import Digest, Policy, read_policy
from tocsin_executor.worker.secrets import SecretSource, ask_for
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Outcome, Runner, TakenOver, Task
from tocsin_executor.worker.writing import whole, writable
from tocsin_kit.clock import Clock

log = structlog.get_logger()

Authorize: TypeAlias = Callable[[Task, Policy], Awaitable[str]]
"""The value of an ``Authorization`` header."""

Identity: TypeAlias = Callable[[Task], AbstractAsyncContextManager[dict[str, Json]]]
"""Variables for the environment of a task's code, good for as long as it goes on."""

_EVALUATION: Final = timedelta(seconds=5)


class Attempts:
    """Runs tasks with what this worker has.

    Args:
        runners: By kind.
        sandbox: Evaluates what the engine left to the worker.
        secrets: Where secrets come from.
        clock: Time.
        authorize: Says what a policy sends, for ``$authorization``; nobody if ``None``.
        identity: Gives a task's code the variables with which it can call the platform; nobody if ``None``.
        apart: Where large values are; without it nothing may be large.
    """

    def __init__(
        self,
        runners: Mapping[str, Runner],
        sandbox: Sandbox,
        secrets: SecretSource,
        clock: Clock,
        *,
        authorize: Authorize | None = None,
        identity: Identity | None = None,
        apart: Apart | None = None,
    ) -> None:
        self._identity = identity
        self._apart = apart or Apart(None, VALUE_LIMIT)
        self._runners = runners
        self._authorize = authorize
        self._sandbox = sandbox
        self._secrets = secrets
        self._clock = clock

    async def outcome(self, task: Task) -> Outcome:
        """Do it; every failure is an error that the workflow sees. A cancel passes when the work has ended."""
        say = task.say
        task.say = lambda stream, line: say(stream, whole(line))
        outcome = await self._tried(task)
        try:
            return await self._kept(self._fit(task, outcome))
        except Exception as error:  # whatever a task gives, it must not end the worker, and then the next one that gets it
            told = None if task.redaction else error
            log.error("worker.output_defect", runner=task.runner, run=task.run, kind=type(error).__name__, exc_info=told)
            return Outcome(error=problem(ErrorKind.RUNTIME, f"The output cannot be written: {type(error).__name__}."))

    @staticmethod
    def _fit(task: Task, outcome: Outcome) -> Outcome:
        """With nothing secret in it, and nothing that cannot be written."""
        outcome.output = writable(outcome.output)
        if outcome.error is not None:
            outcome.error = {name: writable(held) for name, held in outcome.error.items()}
        if task.redaction:
            outcome.output = task.redaction.value(outcome.output)
            if outcome.error is not None:
                outcome.error = task.redaction.error(outcome.error)
        return outcome

    async def _kept(self, outcome: Outcome) -> Outcome:
        """With a large output stored apart, after what is secret in it was hidden."""
        if outcome.error is not None or isinstance(outcome.output, Large):
            return outcome
        try:
            outcome.output = await self._apart.keep(outcome.output)
        except TooLarge as error:
            problem_ = problem(ErrorKind.VALIDATION, f"{error.detail} {error.hint}", title="Output Too Large")
            return Outcome(error=problem_)
        except TocsinError as error:
            detail = f"The output cannot be stored: {error.detail}"
            return Outcome(error=problem(ErrorKind.COMMUNICATION, detail, status=503))
        return outcome

    async def _load(self, task: Task) -> None:
        """Put large values in their place."""
        try:
            task.spec, task.input = await self._apart.loaded(task.spec), await self._apart.loaded(task.input)
            for name, value in (task.variables or {}).items():
                assert task.variables is not None
                task.variables[name] = await self._apart.loaded(value)
        except TocsinError as error:
            raise Failed(ErrorKind.COMMUNICATION, f"What the task is given cannot be loaded: {error.detail}") from error

    async def _tried(self, task: Task) -> Outcome:
        runner = self._runners.get(task.runner)
        if runner is None:
            detail = f"This worker has no runner for {task.runner!r}."
            return Outcome(error=problem(ErrorKind.CONFIGURATION, detail))
        try:
            if task.runner != "evaluate":
                await self._load(task)
            if task.variables is not None and task.runner != "evaluate":
                await self._resolve(task, read_deferred(task.spec))
            async with AsyncExitStack() as stack:
                if isinstance(task.spec, dict) and task.spec.pop("token", None) is True:
                    await self._identify(stack, task, task.spec)
                return await runner.run(task)
        except Failed as failure:
            return Outcome(error=failure.problem)
        except TakenOver:
            raise
        except Exception as error:  # a runner's defect is this task's error, not the worker's end
            # What secrets were in hand may be in the error's text or in the variables of its frames.
            told = None if task.redaction else error
            log.error("worker.runner_defect", runner=task.runner, run=task.run, kind=type(error).__name__, exc_info=told)
            return Outcome(error=problem(ErrorKind.RUNTIME, f"The runner failed: {type(error).__name__}."))

    async def _resolve(self, task: Task, deferred: Deferred) -> None:
        """Evaluate what the engine left to us: expressions that may take long, or that name secrets."""
        variables = task.variables if task.variables is not None else {}
        if deferred.secrets:
            used_by = {"run": task.run, "task": task.name, "reference": task.reference, "workflow": deferred.workflow}
            task.secrets = await ask_for(self._secrets, task.namespace, deferred.secrets, used_by, self._clock)
            task.redaction.hide(list(task.secrets.values()))
        variables["secrets"] = task.secrets
        if deferred.given is not None:
            task.input = await self._evaluated(task, deferred.given)
            if "input" in variables:
                variables["input"] = task.input
        if deferred.authorization:
            variables["authorization"] = await self._authorization(task, deferred)
        task.spec = await self._evaluated(task, deferred.template)
        for template in deferred.uris:
            try:
                task.spec = with_uri(task.spec, template, task.input)
            except UriUnresolved as error:
                raise Failed(ErrorKind.EXPRESSION, str(error)) from error
        task.later = dict(deferred.later)

    async def _identify(self, stack: AsyncExitStack, task: Task, spec: dict[str, Json]) -> None:
        """Put what the code of a task needs to be somebody into its environment."""
        if self._identity is None:
            raise Failed(ErrorKind.CONFIGURATION, "This worker gives tasks no tokens.")
        given = spec.get("environment")
        try:
            own = await stack.enter_async_context(self._identity(task))
        except TocsinError as error:
            raise Failed(ErrorKind.COMMUNICATION, f"The task gets no token: {error.detail}", status=503) from error
        spec["environment"] = {**own, **(given if isinstance(given, Mapping) else {})}

    async def _authorization(self, task: Task, deferred: Deferred) -> Json:
        """The language's description of what a task's authentication comes to."""
        given = await self._evaluated(task, at_place(deferred.template, deferred.authorization))
        policy = read_policy(task, given)
        if policy is None or self._authorize is None:
            return None
        if isinstance(policy, Digest):
            return {"scheme": "Digest", "parameter": ""}  # made for each request, of what the service asks
        scheme, _, parameter = (await self._authorize(task, policy)).partition(" ")
        return {"scheme": scheme, "parameter": parameter}

    async def _evaluated(self, task: Task, template: Json) -> Json:
        try:
            return await self._sandbox.evaluate_template(template, task.input, task.variables or {}, _EVALUATION)
        except TocsinError as error:
            # jq says what it could not work on; a part of a secret would be no exact value any more.
            detail = "An expression that uses secrets cannot be evaluated." if task.secrets else error.detail
            raise Failed(ErrorKind.EXPRESSION, detail) from error
