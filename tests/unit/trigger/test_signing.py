"""Whether a webhook is genuine, without a server: published vectors, and everything that may be changed about a request."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Rejected
from tocsin_trigger.domain.errors import MalformedWebhook, SignatureInvalid, TimestampInFuture, TimestampTooOld, TriggerInvalid
from tocsin_trigger.domain.signing import key_material, new_secret, scheme_problems, verify
from tocsin_trigger.domain.triggers import Algorithm, Encoding, HmacScheme, StandardScheme

STANDARD = StandardScheme()
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
KEY = bytes(range(32))


def headers(body: bytes, key: bytes = KEY, message: str = "msg_1", at: datetime = NOW) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    mac = hmac.new(key, f"{message}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def test_a_vector_of_the_reference_libraries_is_genuine() -> None:
    """The example that the libraries of Standard Webhooks test themselves with."""
    key = key_material(STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    sent = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    now = datetime.fromtimestamp(1614265330, UTC)
    assert verify(STANDARD, [key], sent, b'{"test": 2432232314}', now).id == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_another_body_is_never_genuine(body: bytes, other: bytes) -> None:
    """A signature proves exactly the bytes it was made over."""
    proof = verify(STANDARD, [KEY], headers(body), body, NOW)
    assert (proof.id, proof.signed) == ("msg_1", NOW)
    if other != body:
        with pytest.raises(SignatureInvalid):
            verify(STANDARD, [KEY], headers(body), other, NOW)


@given(st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text(max_size=60)))
def test_whatever_a_stranger_sends_is_refused_and_breaks_nothing(sent: dict[str, str]) -> None:
    """Garbage in the headers ends in a refusal of ours, never in another exception, never in acceptance."""
    with pytest.raises(Rejected):
        verify(STANDARD, [KEY], sent, b"{}", NOW)


@given(st.text(max_size=80), st.sampled_from(list(Encoding)), st.text(max_size=5))
def test_the_same_holds_for_a_header_scheme(given_text: str, encoding: Encoding, prefix: str) -> None:
    """A header of any content is refused, not crashed on."""
    scheme = HmacScheme("X-Sig", prefix, encoding)
    with pytest.raises(Rejected):
        verify(scheme, [KEY], {"x-sig": prefix + given_text}, b"{}", NOW)


def test_any_of_several_keys_and_any_of_several_signatures_will_do() -> None:
    """Both sides may rotate: the sender signs with old and new, the receiver knows old and new."""
    other = bytes(32)
    sent = headers(b"{}")
    assert verify(STANDARD, [other, KEY], sent, b"{}", NOW).id == "msg_1"
    both = {**sent, "webhook-signature": "v1a,xyz v1,AAAA " + sent["webhook-signature"]}
    assert verify(STANDARD, [KEY], both, b"{}", NOW).id == "msg_1"
    with pytest.raises(SignatureInvalid):
        verify(STANDARD, [], sent, b"{}", NOW)
    with pytest.raises(SignatureInvalid):
        verify(STANDARD, [other], sent, b"{}", NOW)


def test_age_is_checked_on_both_sides_after_the_signature() -> None:
    """Five minutes either way; a stranger learns nothing about our clock."""
    edge = timedelta(minutes=5)
    second = timedelta(seconds=1)
    assert verify(STANDARD, [KEY], headers(b"", at=NOW - edge), b"", NOW)
    assert verify(STANDARD, [KEY], headers(b"", at=NOW + edge), b"", NOW)
    with pytest.raises(TimestampTooOld):
        verify(STANDARD, [KEY], headers(b"", at=NOW - edge - second), b"", NOW)
    with pytest.raises(TimestampInFuture):
        verify(STANDARD, [KEY], headers(b"", at=NOW + edge + second), b"", NOW)
    with pytest.raises(SignatureInvalid):
        verify(STANDARD, [bytes(32)], headers(b"", at=NOW - 2 * edge), b"", NOW)


def test_bytes_cannot_be_moved_between_id_timestamp_and_body() -> None:
    """A full stop in the id would make `a.1` + `2.x` look like `a` + `1` + `2.x`."""
    sent = headers(b"2.x", message="a")
    moved = {**sent, "webhook-id": f"a.{sent['webhook-timestamp']}", "webhook-timestamp": "2"}
    with pytest.raises(MalformedWebhook):
        verify(STANDARD, [KEY], moved, b"x", NOW)


def test_a_partners_own_scheme_signs_what_it_says() -> None:
    """Template with timestamp and id, other hashes, Base64."""
    scheme = HmacScheme(
        "X-Sig", "v0=", Encoding.BASE64, Algorithm.SHA512, "v0:{timestamp}:{id}:{body}", "X-Time", "X-Id", timedelta(minutes=1)
    )
    assert scheme_problems(scheme) == []
    timestamp = str(int(NOW.timestamp()))
    mac = hmac.new(KEY, f"v0:{timestamp}:7:".encode() + b"{}", hashlib.sha512).digest()
    sent = {"x-sig": "v0=" + base64.b64encode(mac).decode(), "x-time": timestamp, "x-id": "7"}
    assert verify(scheme, [KEY], sent, b"{}", NOW).id == "7"
    with pytest.raises(TimestampTooOld):
        verify(scheme, [KEY], sent, b"{}", NOW + timedelta(minutes=2))


@pytest.mark.parametrize(
    "scheme",
    [
        HmacScheme("X Sig"),
        HmacScheme("X-Sig", signed="nothing"),
        HmacScheme("X-Sig", timestamp_header="X-Time"),
        HmacScheme("X-Sig", signed="{timestamp}.{body}"),
        HmacScheme("X-Sig", signed="{id}.{body}"),
        HmacScheme("X-Sig", signed="{body}{secret}"),
        HmacScheme("X-Sig", signed="{body}{body}"),
    ],
)
def test_a_scheme_that_proves_less_than_it_seems_is_refused(scheme: HmacScheme) -> None:
    """An unsigned timestamp, an unsigned body: told when the trigger is written, not when it is attacked."""
    assert scheme_problems(scheme)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_QUFB", "whsec_***", "short", "whsec_" + "QUFB" * 40])
def test_a_key_that_can_be_guessed_is_refused(secret: str) -> None:
    """24 to 64 bytes in Standard Webhooks, at least 16 elsewhere."""
    with pytest.raises(TriggerInvalid):
        key_material(STANDARD, secret)


def test_a_new_secret_fits_every_scheme() -> None:
    """What we make can be used as it is."""
    secret = new_secret(bytes(range(32)))
    assert key_material(STANDARD, secret) == bytes(range(32))
    assert key_material(HmacScheme("X-Sig"), secret) == secret.encode()
