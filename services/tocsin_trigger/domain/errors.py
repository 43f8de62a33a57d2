"""Refusals of the trigger service, each with its code."""

from tocsin.errors import Conflict, Forbidden, Invalid, Rejected, Unauthenticated


class SignatureInvalid(Unauthenticated):
    """The webhook's signature is missing or wrong."""

    code = "signature_invalid"


class TimestampTooOld(Rejected):
    """The webhook was signed too long ago; it may be a replay."""

    code = "timestamp_too_old"


class TimestampInFuture(Rejected):
    """The webhook was signed in the future; the sender's clock is wrong."""

    code = "timestamp_in_future"


class AddressRefused(Forbidden):
    """The webhook came from an address that may not send it."""

    code = "address_refused"


class MalformedWebhook(Rejected):
    """The webhook cannot be read."""

    code = "malformed"


class TriggerInvalid(Invalid):
    """The trigger is not valid."""

    code = "trigger_invalid"


class TriggerExists(Conflict):
    """There is already a trigger of this name."""

    code = "trigger_exists"


class TriggerManaged(Conflict):
    """The trigger belongs to a workflow's definition and changes with it only."""

    code = "trigger_managed"
