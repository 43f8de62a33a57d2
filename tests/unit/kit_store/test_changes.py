"""What a write changed, as the audit trail shows it: before and after, small, and without a secret."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tocsin_kit.config import Secret
from tocsin_kit.store.changes import LONGEST_LIST, LONGEST_TEXT, MOST, changes


class Color(Enum):
    RED = 1


@dataclass(frozen=True)
class Part:
    role: str
    where: str = "*"
    api_key: str = ""


@dataclass(frozen=True)
class Thing:
    name: str
    parts: tuple[Part, ...] = ()
    color: Color = Color.RED
    at: datetime | None = None
    every: timedelta = timedelta(0)
    password_hash: str = ""
    sealed: bytes = b""
    labels: dict[str, str] = field(default_factory=dict)
    off: bool = False


def told(before: object, after: object, **more: Any) -> dict[str, tuple[Any, Any]]:
    return {one.field: (one.before, one.after) for one in changes(before, after, **more)}


def test_only_what_differs_is_told() -> None:
    """Before and after; times, units and choices as people write them; what is usual is left out of parts."""
    at = datetime(2026, 11, 23, tzinfo=UTC)
    before = Thing("a", (Part("viewer"),), off=True)
    after = Thing("a", (Part("viewer"), Part("admin", "team-a")), at=at, every=timedelta(seconds=90))
    assert told(before, after) == {
        "parts": ([{"role": "viewer"}], [{"role": "viewer"}, {"role": "admin", "where": "team-a"}]),
        "at": (None, "2026-11-23T00:00:00+00:00"),
        "every": ("0 s", "90 s"),
        "off": (True, False),
    }
    assert told(before, before) == {}
    assert told(before, after, without={"parts", "at", "every", "off"}) == {}


def test_what_begins_and_what_ends_is_told_on_one_side() -> None:
    """Without the fields that say nothing."""
    assert told(None, Thing("a")) == {"name": (None, "a"), "color": (None, "red")}
    assert told({"name": "a", "off": False}, None) == {"name": ("a", None)}


def test_long_values_are_cut_and_of_long_lists_the_differences_are_told() -> None:
    """A signal is small whatever somebody writes."""
    many = [f"user-{number}" for number in range(500)]
    (members,) = changes({"members": many}, {"members": [*many[1:], "new"]})
    assert (members.before, members.after, members.partial) == (["user-0"], ["new"], True)
    (text,) = changes({"text": ""}, {"text": "x" * 100_000})
    assert text.partial
    assert len(orjson.dumps(text.model_dump())) < 2 * LONGEST_TEXT
    assert len(changes(None, {f"f{number}": number + 1 for number in range(500)})) == MOST
    (members,) = changes(None, {"members": many})
    assert isinstance(members.after, list)
    assert (len(members.after), members.partial) == (LONGEST_LIST, True)


CANARY = "canary-4711-value"
_PLACES = st.sampled_from(["password_hash", "api_key", "client_secret", "token", "sealed", "chosen"])


_SECRETS: Any = [
    {"token": CANARY},
    Secret(CANARY),
    CANARY.encode(),
    Thing("x", password_hash=CANARY),
    Part("x", api_key=CANARY),
]


@given(_PLACES, st.sampled_from(_SECRETS), st.lists(st.booleans(), max_size=8))
def test_no_secret_is_told_wherever_it_is(place: str, secret: object, wraps: list[bool]) -> None:
    """By type, by name, by what the caller names; at the top or deep inside."""
    deep: Any = secret
    for in_list in wraps:
        deep = [deep] if in_list else {"inner": deep}
    for before, after in (({}, {place: CANARY, "deep": deep}), ({place: CANARY, "deep": deep}, {})):
        found = changes(before, after, hidden={"sealed", "chosen"})
        assert place in {one.field for one in found}
        assert CANARY not in repr([one.model_dump_json() for one in found])


def test_a_field_can_be_told_member_by_member():
    """What a trigger listens to has many members; only the one that changed is told."""
    old, new = {"source": Part("a", "x")}, {"source": Part("a", "y")}
    assert told(old, new, flat={"source"}) == {"source.where": ("x", "y")}
    assert told({"source": None}, new, flat={"source"}) == {
        "source.role": (None, "a"),
        "source.where": (None, "y"),
    }


def test_what_an_address_carries_in_its_query_does_not_show():
    """Tokens stand there, too."""
    old, new = {"url": "http://a/?x=1"}, {"url": "http://a/?x=1&access_token=s3cret&y=2"}
    assert told(old, new)["url"][1] == "http://a/?x=1&access_token=**hidden**&y=2"
