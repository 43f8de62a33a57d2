"""E-mail by SMTP (``ports.Mailer``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib

from tocsin_kit.clock import Clock
from tocsin_kit.config import Secret
from tocsin_observer.domain.channels import Mail
from tocsin_observer.domain.deliveries import EXCERPT, Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where e-mail is handed in.

    Attributes:
        host: Name or address; empty when there is none.
        port: 587 for STARTTLS, 465 for TLS from the beginning.
        sender: The address that it comes from.
        user: Logs in with this name.
        password: Its password.
        security: ``starttls``, ``tls``, or ``none`` (only within one machine).
    """

    host: str
    port: int
    sender: str
    user: str | None
    password: Secret | None
    security: str


class SmtpMailer:
    """The client.

    Args:
        server: Where to.
        clock: Time.
        within: For one e-mail.
    """

    def __init__(self, server: MailServer, clock: Clock, *, within: timedelta = timedelta(seconds=20)) -> None:
        self._server = server
        self._clock = clock
        self._within = within

    def _letter(self, to: Sequence[str], mail: Mail, message: str) -> EmailMessage:
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = self._server.sender, ", ".join(to), mail.subject
        letter["Date"], letter["Message-ID"] = format_datetime(self._clock.now()), f"<{message}@tocsin>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(mail.text)
        return letter

    async def send(self, to: Sequence[str], mail: Mail, *, message: str) -> Answer:
        """Try once."""
        server, began = self._server, self._clock.monotonic()
        if not server.host:
            return Answer(status=None, seconds=0, error="no mail server is set (observer.smtp_host)", hopeless=True)
        status, error, said = None, None, ""
        try:
            refused, said = await aiosmtplib.send(
                self._letter(to, mail, message),
                sender=server.sender,
                recipients=list(to),
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password.reveal() if server.password else None,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                timeout=self._within.total_seconds(),
            )
            status = 200
            # Those whom the server took are told once; who was refused is in the log of deliveries.
            said = "; ".join([*(f"{who} was refused: {why.code} {why.message}" for who, why in refused.items()), said])
        except (aiosmtplib.SMTPException, OSError, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"[:300]
        return Answer(
            status=status,
            seconds=self._clock.monotonic() - began,
            error=error,
            headers=(("To", ", ".join(to)), ("Subject", mail.subject)),
            request=mail.text[:EXCERPT],
            answer=said[:EXCERPT],
        )
