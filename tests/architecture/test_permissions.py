"""The table of permissions is complete: every route and subject is in it, and roles name what routes take."""

import pathlib

import pytest

from tocsin_auth.domain.roles import BUILT_IN
from tocsin_kit.bus.permissions import SERVICES, permissions_of
from tocsin_kit.platform.permissions_page import Served, served
from tocsin_kit.web import Authenticated, Permission, Public
from tocsin_kit.web.access import Grant

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "permissions.md"
ROUTES = list(served())

# Permissions that no route takes by itself, and who asks for them.
ASKED_ELSEWHERE = {
    "api-key:read": "the list of keys, for those of others",
    "api-key:write": "revoking and rotating keys of others",
    "secret:use": "publishing a definition that names the secret",
}


@pytest.mark.parametrize("one", ROUTES, ids=lambda one: f"{one.service} {one.route.method} {one.route.path}")
def test_every_route_says_what_it_takes_and_somebody_can_hold_it(one: Served) -> None:
    """A permission that at least the administrator's role gives; or a reason why none is needed."""
    access = one.route.access
    if isinstance(access, Permission):
        assert any(Grant(granted).gives(access.name) for granted in BUILT_IN["admin"].permissions)
    else:
        assert isinstance(access, Authenticated | Public)
        assert len(access.reason) > 10
    assert f"`{one.route.method} {one.route.template}`" in PAGE.read_text(encoding="utf-8"), "run: make docs"


def test_no_two_services_serve_one_route() -> None:
    """Whoever reads the table knows who answers."""
    places = [(one.route.method, one.route.template) for one in ROUTES if one.route.path.startswith(("/api/v1/", "/hooks"))]
    own = [place for place in places if not place[1].startswith("/api/v1/dead-letters")]  # each service has its own
    assert sorted(own) == sorted(set(own))


def test_roles_name_only_what_is_taken_somewhere() -> None:
    """A permission in a role that opens nothing would be a promise that nobody keeps."""
    taken = {one.permission for one in ROUTES if one.permission} | set(ASKED_ELSEWHERE)
    resources = {name.partition(":")[0] for name in taken}
    for role in BUILT_IN.values():
        for granted in role.permissions:
            resource, _, action = granted.partition(":")
            if resource != "*":
                assert resource in resources, (role.name, granted)
                assert action == "*" or granted in taken, (role.name, granted)


@pytest.mark.parametrize("service", SERVICES)
def test_every_subject_of_a_service_is_in_the_table(service: str) -> None:
    """And none of them is everything."""
    rights = permissions_of(service)
    text = PAGE.read_text(encoding="utf-8")
    for subject in (*rights.publish, *rights.subscribe):
        assert f"`{subject}`" in text, "run: make docs"
        assert not subject.startswith((">", "*")), subject
