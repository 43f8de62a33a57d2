"""Which service answers a path, and what travels on."""

import pytest

from tocsin_gateway.domain.examples import Flaky, payment, stock
from tocsin_gateway.domain.routing import OWNERS, SERVICES, forwarded, owner


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/v1/runs", "executor"),
        ("/api/v1/runs/x/tasks", "executor"),
        ("/hooks/default/orders", "trigger"),
        ("/.well-known/jwks.json", "auth"),
        ("/api/v1/dead-letters/case/redrive", "case"),
        ("/api/v1/dead-letters/nobody", None),
        ("/api/v1/nothing", None),
        ("/api/v2/runs", None),
        ("/hooks", None),
        ("/api/v1", None),
        ("//api/v1/runs", None),
    ],
)
def test_the_first_segment_decides(path, service):
    """And nothing else is passed on."""
    assert owner(path) == service


def test_every_owner_is_a_service():
    """A segment that leads nowhere would be a 500 in waiting."""
    assert set(OWNERS.values()) == set(SERVICES)


def test_headers_of_the_connection_stay_here():
    """The standard ones, and those that Connection names."""
    headers = {"Connection": "keep-alive, X-Mine", "Keep-Alive": "5", "X-Mine": "1", "Authorization": "Bearer t", "TE": "gzip"}
    assert forwarded(headers) == {"Authorization": "Bearer t"}


def test_the_examples_answer_the_same_to_the_same():
    """So that a README can promise what a reader will see."""
    assert stock("lamp") == stock("lamp")
    assert not stock("lamp-0").available
    assert payment("A-1", 1000).approved
    assert not payment("A-1", 1000.01).approved


def test_flaky_fails_as_often_as_it_was_asked_to():
    """For each key on its own."""
    flaky = Flaky()
    assert [flaky.ask("a", 2)[0] for _ in range(4)] == [False, False, True, True]
    assert flaky.ask("b", 0) == (True, 1)
