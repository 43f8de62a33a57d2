"""The one table of every route and every bus subject with the permission that it takes, from the routes and rights themselves.

Services are put together and never started: a route that is served is in the table, because the table is made of these.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from tocsin_kit.bus.permissions import SERVICES, permissions_of
from tocsin_kit.chance import SystemChance
from tocsin_kit.chassis import ServiceDefinition, assemble, read_settings
from tocsin_kit.clock import SystemClock
from tocsin_kit.config import Secret
from tocsin_kit.platform.installation import installed_services
from tocsin_kit.web import Authenticated, HttpServer, Permission, Public, Route

_KEY: Final = "00" * 32  # for settings without a default; nothing is ever sealed with it
_HEAD: Final = """# Permissions

Generated from the code by `make docs`. A route cannot be built without saying what it takes; the NATS configuration of every
installation is made from the second table. Roles give permissions (`resource:action`) in namespaces and for names; where a
route is about a namespace, the permission is needed there. *everywhere* means in all namespaces.

`secret:use` and `workflow:write` in protected namespaces are explained in [the threat model](../security.md).
"""


@dataclass(frozen=True, slots=True)
class Served:
    """One route of one service."""

    service: str
    route: Route

    @property
    def permission(self) -> str | None:
        """``resource:action``, if it takes one."""
        return self.route.access.name if isinstance(self.route.access, Permission) else None

    @property
    def needs(self) -> str:
        """In words."""
        match self.route.access:
            case Permission(name, everywhere):
                return f"`{name}`{' everywhere' if everywhere else ''}"
            case Authenticated(reason):
                return f"a login: {reason}"
            case Public(reason):
                return f"nothing: {reason}"
            case other:
                assert_never(other)


def served() -> Iterator[Served]:
    """Every route of every installed service, by service and path."""
    for definition in installed_services():
        settings = read_settings(definition, environ={}, overrides=_needed(definition))
        chain = assemble(definition, settings, clock=SystemClock(), chance=SystemChance())
        for component in chain.components:
            if isinstance(component, HttpServer):
                for route in sorted(component.routes, key=lambda one: (one.path, one.method)):
                    yield Served(definition.name, route)


def permissions_page() -> str:
    """The page, as Markdown."""
    lines = [_HEAD, "## Routes", "", "| service | route | takes | what for |", "| --- | --- | --- | --- |"]
    for one in served():
        route = f"`{one.route.method} {one.route.template}`"
        lines.append(f"| {one.service} | {route} | {_cell(one.needs)} | {_cell(one.route.summary)} |")
    lines += [
        "",
        "## The bus",
        "",
        "Users of NATS by name. People and programs are in an account of their own: `events.<namespace>.>`",
    ]
    lines += ["with `event:publish` there, `signals.<namespace>.>` with `signal:read` there, and their own inbox.", ""]
    lines += ["| service | may publish | may subscribe |", "| --- | --- | --- |"]
    for service in SERVICES:
        rights = permissions_of(service)
        lines.append(f"| {service} | {_subjects(rights.publish)} | {_subjects(rights.subscribe)} |")
    return "\n".join(lines) + "\n"


def _needed(definition: ServiceDefinition[Any]) -> Mapping[str, Mapping[str, object]]:
    kinds = (definition.settings, *definition.more_settings)
    return {
        kind.section: {
            name: _KEY for name, field in kind.model_fields.items() if field.is_required() and field.annotation is Secret
        }
        for kind in kinds
    }


def _subjects(subjects: tuple[str, ...]) -> str:
    return " ".join(f"`{subject}`" for subject in subjects)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
