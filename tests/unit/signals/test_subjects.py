"""Subjects: built, parsed, and safe against the names that people choose."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.errors import Invalid
from tocsin.signals import subjects

anything = st.text(max_size=12).filter(lambda text: text.isprintable() or "\ud800" > text > "\ud7ff" or _encodes(text))
namespaces = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\Z")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@settings(deadline=None)
@given(anything)
def test_any_name_becomes_one_harmless_token(name):
    """No dot, no wildcard, no white space, never empty; and it comes back as it was."""
    token = subjects.escape(name)
    assert token
    assert token.isascii()
    assert not set(token) & set(".*> \t\r\n\0")
    assert subjects.unescape(token) == name


@settings(deadline=None)
@given(st.lists(anything, min_size=2, max_size=2, unique=True))
def test_two_names_never_share_a_token(names):
    """Or one run could read another's signals."""
    assert subjects.escape(names[0]) != subjects.escape(names[1])


@settings(deadline=None)
@given(namespaces, anything, anything, anything)
def test_a_signal_subject_says_what_was_put_in(namespace, entity, transition, entity_id):
    """Whatever the parts hold."""
    subject = subjects.signal(namespace, entity, transition, entity_id)
    assert subjects.parse_signal(subject) == subjects.SignalSubject(namespace, entity, transition, entity_id)
    assert subjects.matches(subjects.signal_filter(entity_id=entity_id), subject) or entity_id == "*"


@settings(deadline=None)
@given(namespaces, anything)
def test_an_event_subject_keeps_the_type(namespace, event_type):
    """Dots stay dots."""
    subject = subjects.event(namespace, event_type)
    assert subjects.parse_event(subject) == subjects.EventSubject(namespace, event_type)
    assert subject.count(".") == 2 + event_type.count(".")


def test_the_forms_are_the_documented_ones():
    """Other people's programs depend on them."""
    assert subjects.signal("default", "run", "started", "01abc") == "signals.default.run.started.01abc"
    assert subjects.signal("default", "asset", "observed", "s3://b/a.csv") == "signals.default.asset.observed.s3://b/a%2Ecsv"
    assert subjects.event("team-a", "com.example.order") == "events.team-a.com.example.order"
    assert subjects.event_filter("team-a", "com.example.>") == "events.team-a.com.example.>"
    assert subjects.event_filter() == "events.*.>"
    assert subjects.command("executor", "start", "01abc") == "commands.executor.start.01abc"
    assert subjects.parse_command("commands.executor.start.a%2Eb").key == "a.b"
    assert subjects.dead("trigger", "events.default.x") == "dead.trigger.events.default.x"
    assert subjects.parse_dead("dead.trigger.events.default.x") == ("trigger", "events.default.x")
    assert subjects.signal_filter(namespace="default") == "signals.default.*.*.*"


@pytest.mark.parametrize("name", ["", "A", "a.b", "a_b", "-a", "a-", "a*", ">", "a b", "x" * 64, "ä"])
def test_a_namespace_is_one_token_of_letters_digits_and_dashes(name):
    """Refused before it reaches the bus."""
    with pytest.raises(Invalid):
        subjects.check_namespace(name)


@pytest.mark.parametrize(
    "subject", ["", "signals", "signals.a.b.c", "signals.a.b.c.d.e", "signals..b.c.d", "events.a.b.c.d", "signals.a.b.c.%ff"]
)
def test_what_is_not_a_signal_subject_is_refused(subject):
    """With an error of its own."""
    with pytest.raises(subjects.InvalidSubject):
        subjects.parse_signal(subject)


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.d", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.*", "a.b.c", False),
        (">", "a", True),
        ("a.b", "a.b", True),
        ("a.b.c", "a.b", False),
    ],
)
def test_patterns_match_as_nats_matches(pattern, subject, expected):
    """So that a filter means the same in the console and on the bus."""
    assert subjects.matches(pattern, subject) is expected
