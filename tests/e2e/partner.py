"""A partner who sends webhooks; signs after Standard Webhooks, written independently of the service and of the command line."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from tocsin_kit.clock import SystemClock


def signed(secret: str, body: bytes, *, message: str, ahead: float = 0) -> Mapping[str, str]:
    """The headers.

    Args:
        secret: ``whsec_`` and Base64.
        body: What is sent.
        message: Id of the message.
        ahead: Seconds that the partner's clock is ahead.
    """
    timestamp = str(int(SystemClock().now().timestamp() + ahead))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
