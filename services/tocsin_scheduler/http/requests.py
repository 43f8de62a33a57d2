"""What a request says about who may see what, and why something happens."""

from enum import Enum

from tocsin.signals import Cause, root
from tocsin_kit.web import Call, Permission
from tocsin_scheduler.ports import ScheduleSearch


def scope(
    call: Call, permission: Permission, namespace: str | None, *, status: Enum | None = None, workflow: str | None = None
) -> ScheduleSearch:
    """What the caller may read, or what there is in one namespace (which the server has checked)."""
    chosen = None if status is None else str(status.value)
    if namespace is not None:
        return ScheduleSearch(namespaces=frozenset({namespace}), status=chosen, workflow=workflow)
    permitted = call.permitted(permission.name)
    namespaces = None if permitted.everywhere else permitted.exact
    return ScheduleSearch(namespaces=namespaces, prefixes=permitted.prefixes, status=chosen, workflow=workflow)


def cause_of(call: Call) -> Cause:
    """The request is the cause."""
    return root(call.request_id, call.traceparent)
