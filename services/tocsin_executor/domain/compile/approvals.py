"""``call: approval``: a question to people, in terms of the engine."""

from collections.abc import Mapping
from typing import Final

from tocsin_executor.domain.approving import ApprovalSpec
from tocsin_executor.domain.compile.builder import Builder, Place
from tocsin_executor.domain.program import Node, Op
from tocsin_executor.domain.values import Json

APPROVAL: Final = "approval"
"""Name of the built-in function."""

_ASKED: Final = ("title", "message", "data", "assignees", "roles", "fourEyes")
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
