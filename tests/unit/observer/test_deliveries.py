"""Queues of endpoints in virtual time: retries, order, circuits, pace; and what goes over the wire."""

import base64
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Conflict, Invalid
from tocsin.expressions import ExpressionFailed
from tocsin.signals import CloudEvent, decode_http, root
from tocsin.signals.catalogue import case as words
from tocsin.signals.make import make_signal
from tocsin_observer.adapters.http_sender import retry_after
from tocsin_observer.domain.deliveries import Answer, Circuit, Delivery, DeliveryState, Pace, after_attempt, choose
from tocsin_observer.domain.patterns import PatternIndex
from tocsin_observer.domain.webhooks import (
    Format,
    SigningSecret,
    Verification,
    Webhook,
    WebhookSpec,
    WebhookState,
    changed,
    checked,
    disabled,
    key_of,
    new_secret,
    paused,
    render,
    resumed,
    signature_headers,
    with_secret,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD, BAD = Answer(status=204, seconds=0.1), Answer(status=500, seconds=0.1)
DAY = timedelta(days=1)


def delivery(order=1, key="k", **more):
    base = {"id": f"d{order}", "endpoint": "webhook/default/x", "message": f"m{order}", "order": order, "key": key}
    return Delivery(**{**base, "subject": "s", "type": "t", "event": b"{}", "created_at": AT, "due": AT, **more})


def spec(**more):
    return WebhookSpec(**{"url": "https://example.com/in", "subject": "signals.default.>", **more})


def webhook(**more):
    base = {"namespace": "default", "name": "x", "spec": spec(), "state": WebhookState.ACTIVE, "secrets": ()}
    return Webhook(**{**base, "created_at": AT, "changed_at": AT, **more})


def event():
    return make_signal(
        words.CASE_OPENED,
        namespace="default",
        entity_id="c1",
        sequence=1,
        time=AT,
        payload=words.CaseOpened(title="smoke"),
        cause=root("r"),
    )


def test_a_message_is_tried_for_hours_and_then_given_up():
    """The pauses grow to two hours; the last attempt is within a day of the first."""
    one, now, times = delivery(), AT, []
    while one.state is DeliveryState.WAITING:
        times.append(now)
        one = after_attempt(one, BAD, now=now, jitter=0.5, retry_for=DAY)
        now = one.due
    assert one.state is DeliveryState.GIVEN_UP
    assert one.reason == "not taken within 1 d: HTTP 500"
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == sorted(pauses)
    assert (len(times), times[-1] - AT < DAY, pauses[-1] < timedelta(hours=2.5)) == (17, True, True)
    assert len(one.log) == 10


def test_an_endpoint_may_ask_to_be_left_alone_but_not_for_ever():
    """Retry-After is honoured up to six hours."""
    polite = replace(BAD, status=429, retry_after=timedelta(minutes=7))
    assert after_attempt(delivery(), polite, now=AT, jitter=0, retry_for=DAY).due == AT + timedelta(minutes=7)
    greedy = replace(BAD, retry_after=timedelta(days=300))
    assert after_attempt(delivery(), greedy, now=AT, jitter=0, retry_for=DAY).due == AT + timedelta(hours=6)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.booleans(), max_size=3)), max_size=12), st.integers(1, 4))
def test_messages_of_a_key_arrive_in_order_whatever_fails(plan, parallel):
    """Each key in its own order; a message that fails holds back its key and no other."""
    waiting = {n: delivery(n, key) for n, (key, _) in enumerate(plan)}
    failures = {n: list(fails) for n, (_, fails) in enumerate(plan)}
    arrived, now = [], AT
    while waiting:
        chosen = choose([waiting[n] for n in sorted(waiting)], ordered=True, busy=(), now=now, room=parallel)
        if not chosen:
            now = min(one.due for one in waiting.values() if one.due > now)
        assert len(chosen) <= parallel
        assert len({one.key for one in chosen}) == len(chosen)
        for one in chosen:
            answer = BAD if any(failures[one.order]) and failures[one.order].pop() else GOOD
            after = after_attempt(one, answer, now=now, jitter=0, retry_for=DAY)
            if after.state is DeliveryState.WAITING:
                waiting[one.order] = after
            else:
                arrived.append(one)
                del waiting[one.order]
    for key in "abc":
        orders = [one.order for one in arrived if one.key == key]
        assert orders == sorted(orders)


def test_without_order_a_failing_message_holds_back_nobody():
    """What is due goes, whatever its key."""
    late = delivery(1, due=AT + timedelta(seconds=1))
    chosen = choose([late, delivery(2), delivery(3)], ordered=False, busy={"d3"}, now=AT, room=5)
    assert [one.id for one in chosen] == ["d2"]


def test_an_endpoint_that_fails_all_the_time_is_asked_ever_more_seldom():
    """After five failures one message at a time, at most every five minutes; one success and all is well."""
    circuit, now = Circuit(), AT
    for _ in range(20):
        assert circuit.room(8, now) == (8 if circuit.failures < 5 else 1)
        circuit = circuit.after(BAD, now=now, jitter=0)
        if circuit.rests_until:
            assert circuit.room(8, now) == 0
            now = circuit.rests_until
    assert circuit.rests_until - AT > timedelta(minutes=30)
    assert circuit.after(GOOD, now=now, jitter=0) == Circuit()


def test_a_pace_is_kept():
    """Ten a second after an idle time is ten at once, then one each tenth of a second."""
    pace = Pace(10).refilled(100.0)
    assert pace.room == 10
    pace = pace.spent(10).refilled(100.05)
    assert pace.room == 0
    assert pace.refilled(100.11).room == 1
    assert Pace().refilled(5).room > 10_000


def test_a_signal_is_sent_as_the_standards_say():
    """Structured and binary CloudEvents read back as the signal; a template makes anything of it."""
    one = event()
    for form in (Format.STRUCTURED, Format.BINARY):
        message = render(spec(format=form), one)
        (back,) = decode_http(message.headers, message.body)
        assert (back.id, back.type, back.payload) == (one.id, one.type, one.payload)
    message = render(spec(format=Format.TEMPLATE, template="{text: .data.title}"), one)
    assert orjson.loads(message.body) == {"text": "smoke"}
    with pytest.raises(ExpressionFailed):
        render(spec(format=Format.TEMPLATE, template=".data.title.x"), one)


def test_every_valid_secret_signs():
    """Standard Webhooks: HMAC-SHA256 over id, timestamp and the very bytes, one signature for each key."""
    keys = [new_secret(bytes([n] * 32)) for n in (1, 2)]
    headers = signature_headers(keys, "msg", b'{"a":1}', AT)
    given = headers["webhook-signature"].split(" ")
    content = f"msg.{int(AT.timestamp())}.".encode() + b'{"a":1}'
    wanted = [base64.b64encode(hmac.digest(bytes([n] * 32), content, "sha256")).decode() for n in (1, 2)]
    assert given == [f"v1,{one}" for one in wanted]
    assert "." not in headers["webhook-id"]


def test_a_rotated_secret_overlaps_and_then_ends():
    """Both sign during the overlap; a second rotation does not prolong the first secret."""
    one = with_secret(webhook(), SigningSecret(sealed=b"1", fingerprint="1", made_at=AT), now=AT)
    two = with_secret(one, SigningSecret(sealed=b"2", fingerprint="2", made_at=AT), now=AT, overlap=DAY)
    assert [s.sealed for s in two.signing(AT)] == [b"2", b"1"]
    three = with_secret(two, SigningSecret(sealed=b"3", fingerprint="3", made_at=AT), now=AT, overlap=2 * DAY)
    assert [s.sealed for s in three.signing(AT + DAY)] == [b"3", b"2"]
    assert [s.sealed for s in three.signing(AT + 2 * DAY)] == [b"3"]


def test_a_webhook_that_goes_elsewhere_is_verified_anew():
    """Another URL or another way to verify; anything else changes nothing about that."""
    assert changed(webhook(), spec(rate=5.0), now=AT).state is WebhookState.ACTIVE
    assert changed(webhook(), spec(url="https://other.example/"), now=AT).state is WebhookState.UNVERIFIED
    trusted = changed(webhook(), spec(url="https://o.example/", verification=Verification.NONE), now=AT)
    assert trusted.state is WebhookState.ACTIVE


def test_a_pause_is_no_way_around_the_question_whether_another_endpoint_agrees():
    """One that moves while it is paused must agree before it is told again; one that is trusted stays paused."""
    asleep = paused(webhook(), now=AT)
    assert changed(asleep, spec(url="https://other.example/"), now=AT).state is WebhookState.UNVERIFIED
    trusted = changed(asleep, spec(url="https://o.example/", verification=Verification.NONE), now=AT)
    assert trusted.state is WebhookState.PAUSED
    assert changed(asleep, spec(rate=5.0), now=AT).state is WebhookState.PAUSED


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Mon, 02 Mar 2026 12:02:00 GMT", 120),
        ("Monday, 02-Mar-26 12:02:00 GMT", 120),
        ("Sun, 01 Mar 2026 12:00:00 GMT", 0),
        ("-5", None),
        ("soon", None),
        ("9" * 30, None),
        ("\u0663", None),
        (None, None),
    ],
)
def test_an_endpoint_says_when_it_wants_to_be_asked_again_in_seconds_or_by_a_date(said, seconds):
    """RFC 9110, section 10.2.3; what cannot be read is not there."""
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(said, datetime(2026, 3, 2, 12, tzinfo=UTC)) == wanted


def test_states_allow_what_makes_sense():
    """Only an active webhook is paused; a paused or disabled one is resumed."""
    assert resumed(paused(webhook(), now=AT), now=AT).state is WebhookState.ACTIVE
    assert resumed(disabled(webhook(), "x", now=AT), now=AT).reason is None
    with pytest.raises(Conflict):
        paused(disabled(webhook(), "x", now=AT), now=AT)
    with pytest.raises(Conflict):
        resumed(webhook(), now=AT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://example.com/"},
        {"url": "https://user:pass@example.com/"},
        {"subject": "events.default.>"},
        {"subject": "signals.other.>"},
        {"subject": "signals.*.run.>"},
        {"filter": "type ="},
        {"format": Format.TEMPLATE},
        {"template": "."},
        {"format": Format.TEMPLATE, "template": "def"},
        {"format": Format.TEMPLATE, "template": "[range(1000000000)]"},
        {"headers": {"webhook-id": "x"}},
        {"headers": {"X-A": "b\r\nX-C: d"}},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(wrong):
    """With the reason, before anything is stored."""
    with pytest.raises(Invalid):
        checked(spec(**wrong), "default")


def test_a_webhook_of_the_system_may_be_told_of_every_namespace():
    """Whoever makes it must be allowed to read all of it; that is the route's business."""
    assert checked(spec(subject="signals.>"), "system")


def test_order_has_a_key():
    """The entity's id, or any attribute by its name."""
    assert key_of(spec(), event()) == "c1"
    assert key_of(spec(key="namespace"), event()) == "default"
    assert key_of(spec(key="nothing"), event()) == ""


@given(st.lists(st.sampled_from(["signals.>", "signals.a.>", "signals.a.run.>", "signals.*.run.done.*", "signals.a.*.*.7"])))
def test_the_index_finds_what_trying_each_pattern_finds(patterns):
    """No more and no less."""

    def fits(pattern, subject):
        wanted, given = pattern.split("."), subject.split(".")
        for n, token in enumerate(wanted):
            if token == ">":
                return True
            if token not in ("*", given[n]):
                return False
        return len(wanted) == len(given)

    index = PatternIndex((pattern, n) for n, pattern in enumerate(patterns))
    for subject in ("signals.a.run.done.7", "signals.a.run.done.8", "signals.b.run.done.7", "signals.b.case.done.7"):
        assert sorted(index.matching(subject)) == [n for n, pattern in enumerate(patterns) if fits(pattern, subject)]


def test_an_event_without_extensions_has_an_empty_key():
    """Nothing to order by is one order for all."""
    assert key_of(spec(key="lane"), CloudEvent(id="1", source="/x", type="t")) == ""
