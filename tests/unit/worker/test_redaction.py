"""What leaves a task does not hold what was secret in it."""

import base64
import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from tocsin_executor.worker.redaction import HIDDEN, Redaction

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=5, max_size=40).filter(
    lambda text: len(text.strip()) >= 5 and text not in HIDDEN and len(text.splitlines()) == 1
)


@given(SECRETS, st.text(max_size=20), st.text(max_size=20))
def test_an_exact_value_never_leaves(secret: str, before: str, after: str) -> None:
    """Plain, in a URL, in JSON, in base64; as a key, as a member, in a list."""
    redaction = Redaction()
    redaction.hide({"key": [secret]})
    in_json, in_base64 = json.dumps(secret, ensure_ascii=False)[1:-1], base64.b64encode(secret.encode()).decode()
    for spelling in (secret, quote(secret, safe=""), in_json, in_base64):
        said = redaction.value([{f"{before}{spelling}{after}": [f"{before}{spelling}{after}"]}])
        texts = [*said[0], *next(iter(said[0].values()))]  # type: ignore[index, list-item, arg-type]
        assert HIDDEN in texts[0]
        if secret not in before + HIDDEN + after:
            assert spelling not in texts[0] or spelling in f"{before}{HIDDEN}{after}"


@given(SECRETS.filter(lambda text: len(text) >= 10), st.integers(10, 40), st.text(max_size=20), st.booleans())
def test_an_error_that_cuts_a_value_off_tells_nothing_of_it(secret: str, kept: int, before: str, shouted: bool) -> None:
    """`{value[:20]!r} is not a method`: what is left of it is hidden as well, also in capitals."""
    redaction = Redaction()
    redaction.hide(secret)
    left = secret[:kept].upper() if shouted else secret[:kept]
    said = redaction.error({"detail": f"{before}{left}' is no method", "status": 400})
    if len(left) == len(secret[:kept]) and left.lower() == secret[:kept].lower():
        assert HIDDEN in str(said["detail"])
    assert said["status"] == 400


def test_an_error_about_an_address_is_not_spoiled_by_a_secret_one() -> None:
    """What many things begin with says nothing."""
    redaction = Redaction()
    redaction.hide("https://hooks.example/T0/B0/secret")
    detail = "https://other.example cannot be reached"
    assert redaction.error({"detail": detail}) == {"detail": detail}
    assert redaction.error({"detail": "'HTTPS://HOOKS.EXAMPLE/T0/B' is none"}) == {"detail": f"'{HIDDEN}' is none"}
    assert redaction.error({"detail": "'https://hooks.example/T0/B0/secret' twice: https://hooks.ex"}) == {
        "detail": f"'{HIDDEN}' twice: {HIDDEN}"
    }


def test_short_values_spoil_nothing() -> None:
    """Four characters are replaced where they are all there is, and stay inside other words."""
    redaction = Redaction()
    redaction.hide("pass")
    assert redaction.value({"a": "pass", "b": "passport"}) == {"a": HIDDEN, "b": "passport"}


def test_names_in_a_policy_are_no_secrets() -> None:
    """A secret that holds a whole policy hides its password and its client's secret, not who and where it is."""
    redaction = Redaction()
    policy = {"username": "administrator", "password": "hunter22", "client": {"id": "workflows", "secret": "s3cret!"}}
    redaction.hide(policy)
    assert redaction.text("administrator at workflows: hunter22 s3cret!") == f"administrator at workflows: {HIDDEN} {HIDDEN}"


def test_nothing_to_hide_changes_nothing() -> None:
    """And costs nothing."""
    assert not Redaction()
    redaction = Redaction()
    redaction.hide("")
    assert not redaction
