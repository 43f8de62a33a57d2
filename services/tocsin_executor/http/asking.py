"""What the handlers share: who may see and do what with a run, in which namespaces a list looks, and why."""

from tocsin.errors import NotFound
from tocsin.signals import Cause, root
from tocsin_executor.application.reading import Scope
from tocsin_executor.application.runs import Runs
from tocsin_executor.application.views import RunView
from tocsin_executor.domain.values import Json
from tocsin_executor.http.schemas import RunId, RunOut
from tocsin_kit.store.changes import changes
from tocsin_kit.web import Call, Reply


async def permitted(runs: Runs, call: Call, permission: str) -> RunView:
    """The run that a request is about, if the caller may do that to it.

    Raises:
        NotFound: There is none, or the caller may not even see it: the same answer, and no word of where it is.
        Forbidden: The caller may see it, but not do that.
    """
    run = call.params(RunId).run
    view = await runs.get(run)
    if not call.may("run:read", view.namespace):
        raise NotFound(f"There is no run {run}.", run=run)
    call.require(permission, view.namespace)
    return view


def noted(call: Call, before: RunView, after: RunView, **asked: Json) -> Reply:
    """The answer to a command, which the audit trail gets with before and after: signals of runs have no room for it."""
    then = {"status": after.status, "version": after.version, **asked}
    call.changes = changes({"status": before.status, "version": before.version}, then)
    return Reply(body=RunOut.of(after), status=202)


def person_behind(call: Call) -> dict[str, Json]:
    """Whose credential a start came with, where that says another name: an API key has an owner, and two eyes are not four."""
    principal = call.principal
    return {} if principal.person == principal.subject else {"person": principal.person}


def cause_of(call: Call) -> Cause:
    """The request is the cause."""
    return root(call.request_id, call.traceparent)


def scope_of(call: Call, permission: str, namespace: str | None) -> Scope:
    """Namespaces that a list may show to the caller."""
    if namespace is not None:
        call.require(permission, namespace)
        return Scope(frozenset({namespace}))
    permitted = call.permitted(permission)
    return Scope() if permitted.everywhere else Scope(permitted.exact, permitted.prefixes)
