"""What travels between the one who asks for secrets and the auth service."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Defect, Invalid, TooLarge
from tocsin_kit.bus.permissions import ASKS_FOR_SECRETS, SERVICES, permissions_of
from tocsin_kit.bus.sealed import Recipient, seal_for
from tocsin_kit.bus.secrets import (
    LARGEST_REPLY,
    SecretReply,
    SecretRequest,
    refusing_reply,
    sealed_reply,
    secret_text,
    secret_value,
)
from tocsin_kit.chance import SeededChance
from tocsin_kit.config import Secret


def asked(recipient: Recipient, *names: str, namespace: str = "team-a") -> SecretRequest:
    return SecretRequest(namespace=namespace, names=list(names), key=base64.b64encode(recipient.public))


@given(st.binary(max_size=2000), st.text(max_size=50))
def test_only_the_one_who_asked_reads_the_answer(plain: bytes, context: str) -> None:
    """Another key, another question or one changed bit: nothing comes out."""
    mine, other = Recipient(SeededChance(1)), Recipient(SeededChance(2))
    sealed = seal_for(mine.public, plain, context=context)
    assert mine.open(sealed, context=context) == plain
    for recipient, said, body in (
        (other, context, sealed),
        (mine, context + "x", sealed),
        (mine, context, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (mine, context, b""),
    ):
        with pytest.raises(Defect):
            recipient.open(body, context=said)


def test_a_key_that_is_none_is_refused() -> None:
    """Nothing is sealed for it."""
    with pytest.raises(Invalid):
        seal_for(b"short", b"value", context="")


def test_the_value_is_not_in_the_reply() -> None:
    """Neither plain nor as base64."""
    recipient = Recipient(SeededChance(1))
    reply = sealed_reply(asked(recipient, "token"), {"token": "canary-value-7150"})
    assert b"canary" not in reply
    assert base64.b64encode(b"canary-value-7150")[:-2] not in reply
    sealed = SecretReply.model_validate_json(reply).sealed
    assert sealed is not None
    assert recipient.open(sealed, context=asked(recipient, "token").context) == b'{"token":"canary-value-7150"}'


def test_an_answer_to_another_question_does_not_open() -> None:
    """The namespace and the names are bound into it."""
    recipient = Recipient(SeededChance(1))
    sealed = SecretReply.model_validate_json(sealed_reply(asked(recipient, "a"), {"a": "x"})).sealed
    assert sealed is not None
    for other in (asked(recipient, "b"), asked(recipient, "a", "b"), asked(recipient, "a", namespace="team-ab")):
        with pytest.raises(Defect):
            recipient.open(sealed, context=other.context)


def test_more_than_a_message_holds_is_refused_early() -> None:
    """With the limit."""
    with pytest.raises(TooLarge) as refusal:
        sealed_reply(asked(Recipient(SeededChance(1)), "a"), {"a": "x" * LARGEST_REPLY})
    assert refusal.value.fields["limit"] == LARGEST_REPLY


def test_a_refusal_names_secrets_in_order() -> None:
    """And carries its code."""
    reply = SecretReply.model_validate_json(refusing_reply("secret_not_found", "there is none", {"b", "a"}))
    assert (reply.code, reply.names, reply.sealed) == ("secret_not_found", ["a", "b"], None)


def test_a_resolved_value_is_json() -> None:
    """A string comes back as it is, an object as an object, and as JSON where text is wanted."""
    assert secret_value(Secret('"plain"')) == secret_text(Secret('"plain"')) == "plain"
    assert secret_value(Secret('{"user":"a"}')) == {"user": "a"}
    assert secret_text(Secret('{"user":"a"}')) == '{"user":"a"}'


def test_a_service_asks_under_its_own_name_only() -> None:
    """So the auth service knows who asks, and most services cannot ask at all."""
    for service in SERVICES:
        subjects = [subject for subject in permissions_of(service).publish if subject.startswith("secrets.resolve")]
        assert subjects == ([f"secrets.resolve.{service}"] if service in ASKS_FOR_SECRETS else [])
    assert "secrets.resolve.*" in permissions_of("auth").subscribe
