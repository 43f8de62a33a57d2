"""``call: approval``: a question to people, in terms of the engine."""

from collections.abc import Mapping
from typing import Final

from tocsin_executor.domain.approving import NAMES, ApprovalSpec, is_count
from tocsin_executor.domain.compile.builder import Builder, Place
from tocsin_executor.domain.program import Node, Op
from tocsin_executor.domain.values import Json

APPROVAL: Final = "approval"
"""Name of the built-in function."""

_ASKED: Final = ("title", "message", "data", "assignees", "roles", "fourEyes", "approvals", "refusals")
_OTHER: Final = ("form", "deadline", "default", "reminder")


def compile_approval(builder: Builder, node: Node, given: Json, place: Place) -> None:
    """What is asked, of whom, until when, and what an answer looks like."""
    node.op = Op.APPROVE
    if not isinstance(given, Mapping):
        builder.wrong(place, "an object is expected", f"It may have {', '.join((*_ASKED, *_OTHER))}.")
        return
    for name in given:
        if name not in _ASKED + _OTHER:
            builder.wrong(place.at(name), f"an approval has no '{name}'", f"It may have {', '.join((*_ASKED, *_OTHER))}.")
    if "title" not in given:
        builder.wrong(place, "an approval needs 'title': what is asked")
    for name in ("assignees", "roles"):
        if isinstance(given.get(name, []), str) and "${" not in str(given[name]):
            builder.wrong(place.at(name), "a list of names is expected")
    if not isinstance(given.get("fourEyes", False), bool):
        builder.wrong(place.at("fourEyes"), "true or false is expected", "With true, whoever started the run may not answer.")
    _several(builder, given, place)
    form = None
    if "form" in given:
        form = builder.schema({"document": given["form"]}, place.at("form"))
    default = builder.template(given["default"], place.at("default")) if "default" in given else None
    if form is not None and default is not None and default.constant and (complaint := form.complaint(default.data)):
        builder.wrong(place.at("default"), f"the default does not fit the form: {complaint}")
    node.spec = ApprovalSpec(
        builder.template({name: given[name] for name in _ASKED if name in given}, place),
        form,
        builder.duration(given["deadline"], place.at("deadline")) if "deadline" in given else None,
        builder.duration(given["reminder"], place.at("reminder")) if "reminder" in given else None,
        default,
    )


def _several(builder: Builder, given: Mapping[str, Json], place: Place) -> None:
    """How many answers are wanted, as far as the document itself says it."""
    for name in ("approvals", "refusals"):
        count = given.get(name, 1)
        if not is_count(count) and not (isinstance(count, str) and "${" in count):
            builder.wrong(place.at(name), f"a whole number from 1 to {NAMES} is expected")
    if "approvals" not in given:
        if "refusals" in given:
            builder.wrong(place.at("refusals"), "'refusals' says how many end it where several 'approvals' are wanted")
        return
    named, count = given.get("assignees"), given["approvals"]
    people = len(set(map(str, named))) if isinstance(named, list) and "roles" not in given else 0
    if people and is_count(count) and count > people:
        complaint = f"{count} approvals are wanted, and {people} may give one"
        builder.wrong(place.at("approvals"), complaint, "Name roles, or more assignees.")
    form = given.get("form")
    fields = form.get("properties") if isinstance(form, Mapping) else None
    if isinstance(fields, Mapping) and "approved" not in fields:
        complaint = "where several are asked, an answer says 'approved'"
        builder.wrong(place.at("form"), complaint, "Add the property 'approved', a boolean.")
