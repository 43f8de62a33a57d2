"""Time-based codes and recovery codes."""

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tocsin_auth.domain.second_factor import (
    SecondFactor,
    make_recovery_codes,
    provisioning_uri,
    recovery_digests,
    totp,
)

SECRET = b"12345678901234567890"
NOW = datetime.fromtimestamp(1111111109, UTC)


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_the_standard(second: int, code: str) -> None:
    """RFC 6238, appendix B."""
    assert totp(SECRET, second // 30, digits=8) == code


def test_a_code_works_once_also_a_step_late_and_never_an_older_one_after_it() -> None:
    """Whoever looked over a shoulder comes too late."""
    code = totp(SECRET, int(NOW.timestamp()) // 30)
    used = SecondFactor(b"").with_code(SECRET, code, NOW + timedelta(seconds=30))
    assert used is not None
    assert used.with_code(SECRET, code, NOW) is None
    before = totp(SECRET, int(NOW.timestamp()) // 30 - 1)
    assert used.with_code(SECRET, before, NOW) is None
    assert SecondFactor(b"").with_code(SECRET, code, NOW + timedelta(seconds=90)) is None
    assert SecondFactor(b"").with_code(SECRET, "12345", NOW) is None


def test_a_recovery_code_works_once() -> None:
    """Whatever its case; another does not."""
    codes = make_recovery_codes(bytes(range(100)))
    factor = SecondFactor(b"", recovery=recovery_digests(codes))
    assert len(set(codes)) == 10
    used = factor.with_code(SECRET, codes[3].upper(), NOW)
    assert used is not None
    assert len(used.recovery) == 9
    assert used.with_code(SECRET, codes[3], NOW) is None
    assert factor.with_code(SECRET, "aaaa-aaaa-aaaa-aaaa", NOW) is None


def test_the_uri_is_what_authenticator_programs_read() -> None:
    """With the secret in base 32."""
    query = parse_qs(urlsplit(provisioning_uri("ada", SECRET, "Tocsin")).query)
    assert base64.b32decode(query["secret"][0]) == SECRET
    assert (query["issuer"], query["digits"], query["period"]) == (["Tocsin"], ["6"], ["30"])
