"""Repairing runs over HTTP: running again from a task, giving an output by hand, skipping a task, terminating."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from tocsin.errors import NotFound, TooLarge
from tocsin.signals import derive
from tocsin_executor.application.admission import LimitReached
from tocsin_executor.application.approvals import Approvals
from tocsin_executor.application.repeats import KeyReused
from tocsin_executor.application.reruns import Again, Reruns
from tocsin_executor.application.runs import RunAlreadyDone, Runs
from tocsin_executor.domain.inputs import Verb
from tocsin_executor.domain.reuse import NeverReached
from tocsin_executor.http.asking import cause_of, noted, permitted, person_behind
from tocsin_executor.http.schemas import ControlBody, Labels, RunId, RunOut, VersionName
from tocsin_kit.web import Call, Input, Permission, Reply, Route

Task = Annotated[str, Field(min_length=1, max_length=1024)]


class TaskBody(Input):
    """Which task, and why."""

    task: Task = Field(description="A live task of the run: its name, reference or activation.")
    reason: Annotated[str, Field(max_length=2048)] | None = None


class OutputBody(TaskBody):
    """Which task, and the output that it gets."""

    output: JsonValue = Field(description="As its work would have given it: `output.as` and `export.as` still apply.")


class RerunBody(Input):
    """How a run is run again."""

    start: Task | None = Field(
        None,
        alias="from",
        description="A task that the run had come to (name, reference or activation): it and what follows are done again. "
        "Of several activations that are called so the last is meant. If not given, only what did not go well is.",
    )
    version: VersionName | None = Field(None, description="Of the workflow; `latest`, or that of the earlier run if not given.")
    input: JsonValue = Field(None, description="Instead of the earlier run's input, if given.")
    labels: Labels = Field(default_factory=dict)
    idempotency_key: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class RerunQuery(Input):
    """Whether only to look."""

    dry_run: bool = Field(False, description="Start nothing; say what would be taken and what done again.")


class RerunOut(BaseModel):
    """A rerun: what it takes, what it does again, and the new run."""

    rerun_of: str
    version: str
    kept: list[str] = Field(description="Keys of tasks of which outputs are taken, if their inputs are the same.")
    redone: list[str] = Field(
        description="Keys of tasks that were done and are done again; one in a loop may be among those that are kept too."
    )
    run: RunOut | None = Field(description="The new run; none in a dry run.")


class _Handlers:
    def __init__(self, runs: Runs, reruns: Reruns, approvals: Approvals) -> None:
        self._runs = runs
        self._reruns = reruns
        self._approvals = approvals

    async def rerun(self, call: Call) -> Reply:
        view = await permitted(self._runs, call, "run:rerun")
        body, cause = call.body(RerunBody), cause_of(call)
        again = Again(
            start=body.start,
            version=body.version,
            edited="input" in body.model_fields_set,
            input=body.input,
            labels=body.labels,
            actor=call.principal.subject,
            cause=cause.id,
            traceparent=cause.traceparent,
            behind=person_behind(call),
        )
        reuse, version = await self._reruns.plan(view, again)
        made = None
        if not call.query(RerunQuery).dry_run:
            key = body.idempotency_key or call.idempotency_key
            run = derive("rerun", view.id, call.principal.subject, key) if key is not None else None
            made = RunOut.of(await self._reruns.rerun(view, again, run=run))
        out = RerunOut(rerun_of=view.id, version=version, kept=sorted(reuse.kept), redone=sorted(reuse.redone), run=made)
        headers = {} if made is None else {"Location": f"/api/v1/runs/{made.id}"}
        return Reply(body=out, status=200 if made is None else 202, headers=headers)

    async def output(self, call: Call) -> Reply:
        view = await permitted(self._runs, call, "task:override")
        body = call.body(OutputBody)
        await self._approvals.may_lend_a_hand(view.id, body.task, call.principal)
        after = await self._runs.control(
            view.id,
            Verb.OVERRIDE,
            actor=call.principal.subject,
            reason=body.reason,
            task=body.task,
            output=body.output,
        )
        return noted(call, view, after, asked="override", task=body.task, output=body.output, reason=body.reason)

    async def skip(self, call: Call) -> Reply:
        view = await permitted(self._runs, call, "task:override")
        body = call.body(TaskBody)
        await self._approvals.may_lend_a_hand(view.id, body.task, call.principal)
        after = await self._runs.control(view.id, Verb.SKIP, actor=call.principal.subject, reason=body.reason, task=body.task)
        return noted(call, view, after, asked="skip", task=body.task, reason=body.reason)

    async def terminate(self, call: Call) -> Reply:
        view = await permitted(self._runs, call, "run:terminate")
        reason = call.body(ControlBody).reason
        after = await self._runs.control(view.id, Verb.TERMINATE, actor=call.principal.subject, reason=reason)
        return noted(call, view, after, asked="terminate", reason=reason)


def repair_routes(runs: Runs, reruns: Reruns, approvals: Approvals) -> Sequence[Route]:
    """``/api/v1/runs/{run}/rerun|output|skip|terminate``."""
    handlers = _Handlers(runs, reruns, approvals)
    path, tags = "/api/v1/runs/{run}", ("runs",)
    return (
        Route(
            method="POST",
            path=f"{path}/rerun",
            access=Permission("run:rerun"),
            summary="Run a run again that has ended, from any task on; what it has done before is taken",
            description="Takes outputs of tasks that reach outside where task and input are the same, and computes the rest.",
            tags=tags,
            handler=handlers.rerun,
            params=RunId,
            query=RerunQuery,
            body=RerunBody,
            response=RerunOut,
            status=202,
            also=(200,),
            problems=(NotFound, RunAlreadyDone, KeyReused, NeverReached, TooLarge, LimitReached),
        ),
        *_hands(handlers),
    )


def _hands(handlers: _Handlers) -> Sequence[Route]:
    path, tags = "/api/v1/runs/{run}", ("runs",)
    return (
        Route(
            method="POST",
            path=f"{path}/output",
            access=Permission("task:override"),
            summary="Give a live task its output by hand; what it does is stopped",
            tags=tags,
            handler=handlers.output,
            params=RunId,
            body=OutputBody,
            response=RunOut,
            status=202,
            problems=(NotFound, RunAlreadyDone),
        ),
        Route(
            method="POST",
            path=f"{path}/skip",
            access=Permission("task:override"),
            summary="Skip a live task: its input goes to the next one; what it does is stopped",
            tags=tags,
            handler=handlers.skip,
            params=RunId,
            body=TaskBody,
            response=RunOut,
            status=202,
            problems=(NotFound, RunAlreadyDone),
        ),
        Route(
            method="POST",
            path=f"{path}/terminate",
            access=Permission("run:terminate"),
            summary="End a run at once as faulted, without waiting until what it told to stop has",
            tags=tags,
            handler=handlers.terminate,
            params=RunId,
            body=ControlBody,
            response=RunOut,
            status=202,
            problems=(NotFound, RunAlreadyDone),
        ),
    )
