"""From a call to the asker that use cases want."""

from tocsin.signals import root
from tocsin_auth.application.saying import Asker
from tocsin_kit.web import Call


def asker_of(call: Call) -> Asker:
    """On whose behalf."""
    return Asker(root(call.request_id, call.traceparent), call.principal, call.client_address, _agent(call))


def _agent(call: Call) -> str:
    """Printable and short: it is shown to people."""
    given = call.headers.get("User-Agent", "")[:200]
    return "".join(character for character in given if character.isprintable())
