"""Webhooks from partners that cannot be trusted: each refusal is a clear problem, is recorded, and starts nothing."""

import itertools
import json
import os

import pytest

from e2e.machine import Answer, awaited
from e2e.partner import signed

pytestmark = pytest.mark.server

BODY = b'{"name": "Ada"}'
_names = itertools.count(1)


class Hook:
    """A webhook of the test's own that starts ``hello``."""

    def __init__(self, machine) -> None:
        self.machine, self.name = machine, f"hook-{os.getpid()}-{next(_names)}"
        wanted = {
            "kind": "webhook",
            "workflow": "hello",
            "webhook": {"max_body": 200},
            "input": {"name": "${ .data.name }"},
            "labels": {"hook": self.name},
        }
        made = machine.ask("PUT", f"/api/v1/triggers/default/{self.name}", wanted, token=machine.token)
        assert made.status == 201, made
        self.secret = made.json["secret"]

    def send(self, body: bytes = BODY, *, message: str = "msg_1", secret: str | None = None, ahead: float = 0) -> Answer:
        """Send a message through the public port."""
        headers = signed(secret or self.secret, body, message=message, ahead=ahead)
        return self.machine.ask("POST", f"/hooks/default/{self.name}", body, headers=headers)

    def recorded(self) -> list[dict]:
        """What came in by it."""
        return self.machine.events(trigger=self.name)


@pytest.fixture
def hook(machine) -> Hook:
    return Hook(machine)


REFUSALS = {
    "wrong signature": ({"secret": "whsec_" + "QUFB" * 8}, 401, "signature_invalid"),
    "old timestamp": ({"ahead": -301}, 400, "timestamp_too_old"),
    "timestamp of tomorrow": ({"ahead": 86_400}, 400, "timestamp_in_future"),
    "body over the limit": ({"body": b'{"name": "' + b"a" * 200 + b'"}'}, 413, "too_large"),
    "broken JSON": ({"body": b'{"name": '}, 400, "malformed"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_be_trusted_is_refused_and_recorded_and_starts_nothing(hook, machine, what):
    """Status, problem and record say the same code; the sender learns nothing about the secret."""
    more, status, code = REFUSALS[what]
    answer = hook.send(**more)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["title"]
    assert answer.json["detail"]
    assert hook.secret not in answer.body.decode()
    (event,) = hook.recorded()
    assert (event["status"], event["code"], event["decisions"]) == ("refused", code, [])
    assert code in event["explanation"]
    # And it is no harm to the next one, which is genuine.
    run = hook.send(message="msg_2").json["run"]
    assert machine.ended(run)["output"] == {"greeting": "Hello, Ada!"}


def test_a_huge_body_is_refused_before_it_has_arrived(hook):
    """Announced as it is; what the gateway or the service has not read by then is no reason for another answer."""
    answer = hook.send(b'"' + b"a" * 3_000_000 + b'"')
    assert (answer.status, answer.json["code"]) == (413, "too_large")


def test_a_replayed_message_starts_nothing_and_is_told_what_became_of_the_first(hook, machine):
    """Even when it is signed anew; a retry of a partner who did not hear the answer is no harm."""
    first, again = hook.send(), hook.send(ahead=2)
    assert (first.status, again.status) == (202, 200)
    assert (first.json["duplicate"], again.json["duplicate"]) == (False, True)
    assert again.json["run"] == first.json["run"]
    assert [event["code"] or event["decisions"][0]["outcome"] for event in hook.recorded()] == ["replayed", "started"]
    machine.ended(first.json["run"])
    runs = awaited(lambda: machine.get(f"runs?label=hook={hook.name}")["items"], what="the run in the list")
    assert [run["id"] for run in runs] == [first.json["run"]]


def test_the_command_line_shows_refusals_and_their_reasons(hook, machine):
    """`event list --refused`, `event show`, and a signal for those who watch."""
    machine.tocsin("trigger", "send", hook.name, "--secret", "whsec_" + "QUFB" * 8, expect=4)
    shown = machine.json("event", "list", "--refused", "--trigger", hook.name)
    assert [event["code"] for event in shown] == ["signature_invalid"]
    assert "signature_invalid" in machine.tocsin("event", "show", shown[0]["key"])

    def told():
        found = [item["event"] for item in machine.get("signals?entity=event&limit=100")["items"]]
        return [event for event in found if hook.name in json.dumps(event) and "refused" in event["type"]]

    assert awaited(told, what="the signal of the refusal")


def test_a_webhook_that_does_not_exist_is_not_found(machine):
    """And says no more than that."""
    answer = machine.ask("POST", "/hooks/default/nobody", BODY, headers=signed("whsec_QUFB", BODY, message="m"))
    assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_runs_are_listed_newest_first_whatever_their_ids(hook, machine):
    """The id of a run that a webhook starts is derived from the message and does not ascend; pages do not lose any."""
    started = [machine.ended(hook.send(message=f"msg_{number}").json["run"])["id"] for number in range(6)]

    def listed():
        found, cursor = [], ""
        while cursor is not None:
            page = machine.get(f"runs?label=hook={hook.name}&limit=4" + (f"&cursor={cursor}" if cursor else ""))
            found, cursor = [*found, *(item["id"] for item in page["items"])], page["next_cursor"]
        return found if len(found) >= len(started) else None

    assert awaited(listed, what="six runs in the list") == started[::-1]
