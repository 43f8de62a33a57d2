"""What the gateway says about a sender replaces what the sender said, in whatever spelling."""

from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from tocsin_gateway.application import Gateway
from tocsin_gateway.ports import Forwarded, UpstreamAnswer
from tocsin_kit.web import Call


class Upstream:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: Forwarded | None = None

    async def forward(self, service: str, request: Forwarded) -> UpstreamAnswer:
        self.sent = request
        return UpstreamAnswer(status=200, headers={}, chunks=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("spelled", ["X-Forwarded-For", "x-forwarded-for", "X-FORWARDED-FOR", "x-Forwarded-for"])
async def test_a_sender_cannot_choose_the_address_it_is_counted_under(spelled: str) -> None:
    """A lower-case header once stood beside ours and was believed: guesses could come from ever new addresses."""
    upstream = Upstream()
    call = Call(
        method="POST",
        target="/api/v1/auth/login",
        query_string="",
        headers=CIMultiDict({spelled: "203.0.113.99", spelled.replace("Forwarded-For", "Request-Id"): "x", "accept": "*/*"}),
        request_id="ours-0001",
        client_address="198.51.100.1",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    await Gateway(upstream, version="0").forward(call)
    assert upstream.sent is not None
    named = [(name, value) for name, value in upstream.sent.headers.items() if name.lower() == "x-forwarded-for"]
    assert named == [("X-Forwarded-For", "198.51.100.1")]
    assert upstream.sent.headers["X-Request-Id"] == "ours-0001"
    assert upstream.sent.headers["accept"] == "*/*"
