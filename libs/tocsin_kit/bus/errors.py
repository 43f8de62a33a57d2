"""What NATS says, translated once into what happens next.

Only this module reads a vendor's error. JetStream's error codes are public API of the server (``errors.json``), its texts are
not.
"""

from nats import errors as nats_errors
from nats.js import errors as js_errors

from tocsin.errors import Conflict, Defect, NotFound, TocsinError, TooLarge, Unavailable

# From the server's errors.json: the state on the server is not what the publisher expected.
_WRONG_EXPECTATION = frozenset({10060, 10070, 10071, 10164})
# Message or payload above a limit that will not change by trying again.
_TOO_LARGE = frozenset({10054, 10097})
# No room or no leader: an operator or time can help.
_LATER = frozenset({10008, 10009, 10023, 10028, 10039, 10047, 10074, 10077, 10119})


class BusUnavailable(Unavailable):
    """The message bus does not answer."""

    code = "bus_unavailable"


class WrongSequence(Conflict):
    """Another writer was first on this subject or stream."""

    code = "wrong_sequence"


class BusForbidden(Defect):
    """The bus does not permit this service that subject."""

    code = "bus_forbidden"


def translate_code(code: int, text: str, subject: str) -> TocsinError:
    """The error for a JetStream error code.

    Args:
        code: ``err_code`` of the server's answer.
        text: The server's description, for people.
        subject: What was published to or asked for.
    """
    if code in _WRONG_EXPECTATION:
        return WrongSequence(text, subject=subject, nats_code=code)
    if code in _TOO_LARGE:
        return TooLarge(f"The message for {subject} is above the bus's limit.", subject=subject, nats_code=code)
    if code in _LATER:
        return BusUnavailable(f"The bus cannot do this now: {text}", subject=subject, nats_code=code)
    return Defect(f"The bus refused {subject}: {text}", subject=subject, nats_code=code)


def translate(error: Exception, subject: str) -> TocsinError:
    """The error of our tree that says what happens next.

    Args:
        error: Anything nats-py or the transport raised.
        subject: What was published to or asked for.
    """
    if isinstance(error, TocsinError):
        return error
    if isinstance(error, js_errors.APIError):
        if isinstance(error, js_errors.NotFoundError):
            return NotFound(f"The bus has no {subject}.", subject=subject)
        if isinstance(error, js_errors.ServiceUnavailableError):
            return BusUnavailable(f"The bus cannot do this now: {error.description}", subject=subject)
        return translate_code(error.err_code or 0, error.description or str(error), subject)
    if isinstance(error, nats_errors.MaxPayloadError):
        return TooLarge(f"The message for {subject} is above the bus's payload limit.", subject=subject)
    if isinstance(error, nats_errors.BadSubjectError | nats_errors.BadHeaderError):
        return Defect(f"{subject!r} is not a subject or header the bus can carry.", subject=subject)
    return BusUnavailable(f"The bus did not answer for {subject}: {type(error).__name__}.", subject=subject)
