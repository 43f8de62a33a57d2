"""The audit chain, its exports and their proof."""

import base64
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.signals import encode, root
from tocsin.signals.audit_chain import FORMAT, Checkpoint, NoExport, genesis, header_bytes, verify
from tocsin.signals.catalogue import case as words
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.config import Secret
from tocsin_observer.adapters.keys import Ed25519Signer
from tocsin_observer.application.chaining import checkpoint_at
from tocsin_observer.domain.audit import Head, Heard, body_of, changes_of, gap, sealed, wanted
from tocsin_observer.domain.holds import Hold, held

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIGNER = Ed25519Signer(Secret("k" * 40))
CHAIN = "chain-of-the-test"
BEGINNING = Head(CHAIN, 0, genesis(CHAIN), 0)


def heard(number, actor="user:ada", namespace="default"):
    signal = make_signal(
        words.CASE_OPENED,
        namespace=namespace,
        entity_id=f"c{number}",
        sequence=1,
        time=AT,
        payload=words.CaseOpened(title=f"case {number}"),
        cause=root(f"request-{number}"),
        actor=actor,
    )
    return Heard(number, AT + timedelta(seconds=number), subject_of(signal), encode(signal))


def signed(header, signer=SIGNER):
    """A header with its signature."""
    header = {**{name: value for name, value in header.items() if name != "signature"}, "kid": signer.kid}
    return {**header, "signature": base64.b64encode(signer.sign(header_bytes(header))).decode()}


def exported(count, every=4, withheld=frozenset()):
    """An export of ``count`` records as dictionaries, with a checkpoint at every so many and at the end."""
    entries, _ = sealed(BEGINNING, [(AT, body_of(heard(n + 1))) for n in range(count)])
    key = base64.b64encode(SIGNER.public).decode()
    header = {"kind": "header", "format": FORMAT, "chain": CHAIN, "after": 0, "to": count, "hash": BEGINNING.hash.hex()}
    lines = [signed({**header, "keys": {SIGNER.kid: key}})]
    for entry in entries:
        line = {"kind": "record", "number": entry.number, "hash": entry.hash.hex(), "body": dict(entry.body)}
        if entry.number in withheld:
            line = {"kind": "withheld", "number": entry.number, "hash": entry.hash.hex(), "digest": entry.digest.hex()}
        lines.append(line)
        if entry.number % every == 0 or entry.number == count:
            lines.append(
                checkpoint_at(Head(CHAIN, entry.number, entry.hash, entry.number), SIGNER, "2026-03-01T12:00:00Z").line()
            )
    return lines


def proof(lines, trusted=None):
    return verify([orjson.dumps(line) + b"\n" for line in lines], trusted)


def test_an_untouched_export_is_proven():
    """Complete, unchanged, signed; digests count for what is withheld."""
    verdict = proof(exported(10, withheld={2, 3}))
    assert (verdict.holds, verdict.first, verdict.last, verdict.records, verdict.withheld) == (True, 1, 10, 8, 2)
    assert (verdict.checkpoints, verdict.keys) == (3, [SIGNER.kid])


@given(
    count=st.integers(1, 12), at=st.integers(0, 11), how=st.sampled_from(["change", "drop", "swap", "repeat", "insert", "cut"])
)
def test_whatever_is_done_to_a_record_is_found_at_that_record(count, at, how):
    """Changed, dropped, exchanged, repeated, inserted, or everything behind it cut off: the first wrong record is named."""
    lines, at = exported(count), at % count
    places = [n for n, line in enumerate(lines) if line["kind"] == "record"]
    place, number = places[at], at + 1
    if how == "change":
        lines[place]["body"]["actor"] = "user:mallory"
    elif how == "drop":
        del lines[place]
    elif how == "cut":
        del lines[place:]
    elif how == "repeat":
        lines.insert(place, lines[place])
        number = at + 1
    elif how == "insert":
        lines.insert(place, {**lines[place], "body": {"kind": "signal", "actor": "user:mallory"}})
    else:
        other = places[(at + 1) % count]
        if other == place:
            return
        lines[place], lines[other] = lines[other], lines[place]
        number = min(at, (at + 1) % count) + 1
    verdict = proof(lines)
    assert not verdict.holds
    assert verdict.broken.number == number


@given(at=st.integers(0, 11), place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_single_bit_that_changes_is_found_at_its_record(at, place, bit):
    """Whatever it makes of the line: other words, no JSON any more, or the same words written differently."""
    raw = [orjson.dumps(line) + b"\n" for line in exported(12)]
    places = [n for n, line in enumerate(raw) if line.startswith(b'{"kind":"record"')]
    line = bytearray(raw[places[at]])
    line[place % (len(line) - 1)] ^= 1 << bit
    raw[places[at]] = bytes(line)
    verdict = verify(raw)
    assert not verdict.holds
    assert verdict.broken.line == places[at] + 1


def test_what_other_readers_would_read_differently_is_no_proof():
    """A name that stands twice in a record: we read the last one, somebody's spreadsheet the first."""
    raw = [orjson.dumps(line) + b"\n" for line in exported(3)]
    raw[1] = raw[1].replace(b'"actor":"user:ada"', b'"actor":"user:mallory","actor":"user:ada"', 1)
    verdict = verify(raw)
    assert verdict.broken.number == 1


def test_a_chain_that_was_rewritten_as_a_whole_meets_its_signatures():
    """Whoever changes a record and computes all hashes anew cannot sign them; with a key of their own they are not trusted."""
    lines, forged = exported(8), exported(8)
    bodies = [(AT, {**line["body"], "actor": "user:mallory"}) for line in lines if line["kind"] == "record"]
    entries, _ = sealed(BEGINNING, bodies)
    by_number = {entry.number: entry for entry in entries}
    for line in forged:
        if line["kind"] == "record":
            line |= {"body": dict(by_number[line["number"]].body), "hash": by_number[line["number"]].hash.hex()}
    assert proof(forged).broken.number == 1
    other = Ed25519Signer(Secret("m" * 40))
    forged[0] = signed({**forged[0], "keys": {other.kid: base64.b64encode(other.public).decode()}}, other)
    resigned = [
        checkpoint_at(Head(CHAIN, line["number"], by_number[line["number"]].hash, line["position"]), other, line["time"]).line()
        if line["kind"] == "checkpoint"
        else line
        for line in forged
    ]
    assert proof(resigned).holds  # consistent in itself, as any forgery with its own key is
    assert not proof(resigned, {SIGNER.kid: SIGNER.public}).holds


def test_what_no_checkpoint_covers_is_not_proven():
    """An export that lost its last checkpoint says from where on nothing is proven."""
    verdict = proof([line for line in exported(10) if not (line["kind"] == "checkpoint" and line["number"] == 10)])
    assert verdict.broken.number == 9


@pytest.mark.parametrize("cut", ["end", "beginning"])
def test_an_export_that_was_cut_at_a_checkpoint_and_says_so_is_not_believed(cut):
    """Both ends are in its header, which is signed: less than was exported is never all there is."""
    lines = exported(12)
    marks = [n for n, line in enumerate(lines) if line["kind"] == "checkpoint"]
    if cut == "end":
        lines = [{**lines[0], "to": 8}, *lines[1 : marks[1] + 1]]
    else:
        lines = [{**lines[0], "after": 4, "hash": lines[marks[0] - 1]["hash"]}, *lines[marks[0] + 1 :]]
    assert "cut off" in proof(lines).broken.why
    assert "cut off" in proof([{name: value for name, value in lines[0].items() if name != "signature"}, *lines[1:]]).broken.why
    assert proof([signed(lines[0]), *lines[1:]]).holds, "what the platform itself says of a shorter period is believed"


def test_keys_of_before_prove_what_they_signed_and_an_unknown_one_nothing():
    """A key was rotated between two checkpoints: whoever trusts both has proof, whoever trusts one is told of the other."""
    old, lines = Ed25519Signer(Secret("o" * 40)), exported(8)
    head = Head(CHAIN, 4, bytes.fromhex(lines[4]["hash"]), 4)
    lines[5] = checkpoint_at(head, old, "2026-02-01T12:00:00Z").line()
    lines[0] = signed({**lines[0], "keys": {one.kid: base64.b64encode(one.public).decode() for one in (old, SIGNER)}})
    assert proof(lines).keys == [old.kid, SIGNER.kid]
    assert proof(lines, {one.kid: one.public for one in (old, SIGNER)}).holds
    broken = proof(lines, {SIGNER.kid: SIGNER.public}).broken
    assert (broken.number, old.kid in broken.why, "audit status" in broken.hint) == (4, True, True)


def test_an_empty_period_is_proven_to_be_empty():
    """With nothing but its header, which is signed."""
    verdict = proof(exported(0))
    assert (verdict.holds, verdict.last) == (True, 0)


@pytest.mark.parametrize("lines", [[], [{"kind": "record"}], [{"kind": "header", "format": "other"}]])
def test_what_is_no_export_is_refused(lines):
    """Rather than proven to be empty."""
    with pytest.raises(NoExport):
        proof(lines)


def test_a_checkpoint_is_of_its_chain():
    """One of another chain proves nothing here."""
    lines = exported(2)
    other = Checkpoint("another", 2, bytes.fromhex(lines[-2]["hash"]), 2, "2026-03-01T12:00:00Z", SIGNER.kid)
    signature = SIGNER.sign(other.signed_bytes())
    lines[-1] = Checkpoint(*(getattr(other, name) for name in Checkpoint.__slots__[:-1]), signature).line()
    assert "another chain" in proof(lines).broken.why


def test_the_trail_has_what_somebody_did_and_every_refusal():
    """What the platform does by itself is no command; a refusal counts with or without a name."""
    assert wanted(heard(1))
    assert not wanted(heard(1, actor=None))
    assert not wanted(Heard(1, AT, "signals.default.task.started.x", heard(1).payload))  # the start of its run is in it
    assert not wanted(Heard(1, AT, "signals.default.run.completed.x", heard(1).payload))
    assert wanted(Heard(1, AT, "signals.default.run.started.x", heard(1).payload))
    assert wanted(Heard(1, AT, "signals.system.login.failed.x", b"{}"))
    assert wanted(Heard(1, AT, "signals.system.request.refused.x", b"{}"))


def test_a_record_says_who_what_where_and_keeps_the_bytes():
    """The signal is there as it was published; what cannot be read is recorded all the same."""
    one = heard(7)
    body = body_of(one)
    assert (body["actor"], body["action"], body["id"], body["request"]) == ("user:ada", "case.opened", "c7", "request-7")
    assert body["event"].encode() == one.payload
    broken = body_of(Heard(8, AT, "signals.x", b"\xff not json"))
    assert broken["kind"] == "unreadable"
    assert gap(3, 9, AT, "dropped")["last"] == 9


def test_a_hold_covers_what_it_names():
    """All of its conditions must fit."""
    hold = Hold(name="h", reason="r", namespace="default", actor="user:ada", since=AT, placed_by="user:law", placed_at=AT)
    body = body_of(heard(1))
    assert held([hold], body, AT)
    assert not held([hold], body, AT - timedelta(seconds=1))
    assert not held([hold], body_of(heard(1, actor="user:bob")), AT)
    assert not held([], body, AT)


def test_what_a_write_changed_is_shown_from_the_signal_itself():
    """Before and after are part of the signed text; a signal that says nothing of it, or cannot be read, shows nothing."""
    changes = [{"field": "roles", "before": ["viewer"], "after": ["admin"], "partial": False}]
    assert changes_of({"event": orjson.dumps({"data": {"changes": changes}}).decode()}) == changes
    for event in (None, "not json", "[]", '{"data": 3}', '{"data": {"changes": "all"}}'):
        assert changes_of({"event": event}) == []
