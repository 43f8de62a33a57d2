"""What triggers need of other services, on the whole platform: outputs of runs, and secrets."""

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from e2e.machine import Machine, awaited

pytestmark = pytest.mark.server


@pytest.fixture
def feed() -> Iterator[tuple[str, list[str | None]]]:
    """An address that answers one item to who has the key, and what it was shown."""
    shown: list[str | None] = []

    class Feed(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("X-Api-Key"))
            body = json.dumps([{"id": 1, "name": "Ada"}]).encode()
            self.send_response(200 if shown[-1] == "tok_live_7" else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Feed)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/feed", shown
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_sender_may_wait_for_what_the_run_makes(machine: Machine) -> None:
    """Through the gateway; the trigger service asks the executor in its own name, only as long as the trigger allows."""
    body = {"kind": "webhook", "workflow": "hello", "webhook": {"scheme": "bearer", "answer_within": "60s"}}
    assert machine.ask("PUT", "/api/v1/triggers/default/asked", body, token=machine.token).status in {200, 201}
    answer = machine.ask("POST", "/hooks/default/asked?wait=60s", {"name": "Grace"}, token=machine.token)
    assert (answer.status, answer.json["status"], answer.json["output"]) == (200, "completed", {"greeting": "Hello, Grace!"})
    answer = machine.ask("POST", "/hooks/default/asked", {"name": "Grace"}, token=machine.token)
    assert (answer.status, answer.json.get("output")) == (202, None)
    machine.tocsin("trigger", "delete", "asked")


def test_a_poll_shows_a_secret_and_nobody_else_sees_it(machine: Machine, feed: tuple[str, list[str | None]]) -> None:
    """Resolved by the auth service at the moment of use; neither the trigger nor what came in has it."""
    url, shown = feed
    machine.shell("printf tok_live_7 | tocsin secret set feed-key --stdin")
    body = {
        "kind": "poll",
        "workflow": "hello",
        "poll": {"url": url, "every": "1s", "id": ".id", "secret_headers": {"X-Api-Key": "feed-key"}},
        "labels": {"from": "feed"},
    }
    assert machine.ask("PUT", "/api/v1/triggers/default/feed", body, token=machine.token).status in {200, 201}
    (run,) = awaited(lambda: machine.get("runs?label=from=feed")["items"], within=60, what="a run of the feed")
    assert machine.ended(run["id"])["output"] == {"greeting": "Hello, Ada!"}
    asked = len(shown)
    awaited(lambda: len(shown) > asked, within=60, what="another look")
    assert set(shown) == {"tok_live_7"}
    assert len(machine.get("runs?label=from=feed")["items"]) == 1
    seen = machine.tocsin("trigger", "show", "feed", "--json") + machine.tocsin("event", "list", "--trigger", "feed", "--json")
    assert "tok_live_7" not in seen
    machine.tocsin("trigger", "delete", "feed")
    machine.tocsin("secret", "delete", "feed-key")
