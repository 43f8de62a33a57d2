"""What the audit trail is told of a changed trigger: each member that changed, and of keys their ids only."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson

from tocsin_trigger.application.saying import changes_of
from tocsin_trigger.domain.sources import EventSource
from tocsin_trigger.domain.triggers import (
    HmacScheme,
    JwtScheme,
    SigningKey,
    StandardScheme,
    Target,
    Trigger,
    WebhookSource,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEY = SigningKey("abc", NOW, b"sealed-bytes")
HOOK = Trigger("id", "default", "orders", WebhookSource(StandardScheme(), (KEY,)), Target("ship"), NOW, NOW)


def told(before: Trigger | None, after: Trigger | None) -> dict[str, tuple[object, object]]:
    return {one.field: (one.before, one.after) for one in changes_of(before, after)}


def test_one_member_of_a_source_is_told_by_itself():
    """Not all of the source; and times that nobody asked for are left out."""
    assert isinstance(HOOK.source, WebhookSource)
    slower = replace(HOOK, updated=NOW.replace(hour=1), source=replace(HOOK.source, max_body=10))
    assert told(HOOK, slower) == {"source.max_body": (131072, 10)}


def test_another_scheme_is_told_by_its_name():
    """Standard Webhooks yesterday, an HMAC of one's own today: a weaker check is seen."""
    assert isinstance(HOOK.source, WebhookSource)
    found = told(HOOK, replace(HOOK, source=replace(HOOK.source, scheme=HmacScheme("X-Signature"))))
    assert found["source.scheme.kind"] == ("standard", "hmac")
    assert found["source.scheme.header"] == (None, "X-Signature")


def test_keys_are_told_by_their_ids_and_key_sets_not_at_all():
    """A key that was added is seen; what it is, is not."""
    assert isinstance(HOOK.source, WebhookSource)
    added = replace(HOOK.source, keys=(KEY, SigningKey("def", NOW, b"more-sealed")))
    assert told(HOOK, replace(HOOK, source=added)) == {"source.keys": (["abc"], ["abc", "def"])}
    jwt = replace(HOOK.source, keys=(), scheme=JwtScheme("i", "a", ("HS256",), keys='{"k": "symmetric"}'))
    text = orjson.dumps([one.model_dump() for one in changes_of(HOOK, replace(HOOK, source=jwt))])
    assert b"symmetric" not in text
    assert b"sealed" not in text


def test_what_a_deleted_trigger_was_is_told():
    """The last record of it says what it listened to and started."""
    event = replace(HOOK, source=EventSource(type="com.example.*"))
    found = told(event, None)
    assert found["source.type"] == ("com.example.*", None)
    assert found["target.workflow"] == ("ship", None)
