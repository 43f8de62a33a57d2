"""What MongoDB says, translated once into what happens next.

Only this module reads a vendor's error, and by class, code and label, never by its text.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import errors

from tocsin.errors import Conflict, Defect, Rejected, TocsinError, TooLarge, Unavailable

_DUPLICATE = frozenset({11000, 11001, 12582})
_WRITE_CONFLICT = frozenset({112, 251, 225, 263})  # write conflict, no such transaction, too old, not supported while changing
_TOO_LARGE = frozenset({10334, 17419, 17420})  # BSON object too large
_TIMEOUTS = frozenset({50, 89, 262})  # exceeded time limit, network timeout, operation time limit
_NOT_NOW = frozenset({6, 7, 64, 91, 189, 10107, 11600, 11601, 11602, 13435, 13436})  # going, gone, interrupted, write concern


class StoreUnavailable(Unavailable):
    """The database does not answer."""

    code = "store_unavailable"


class RevisionConflict(Conflict):
    """Someone else changed this meanwhile; read again and decide again."""

    code = "revision_conflict"


class AlreadyExists(Conflict):
    """There is already one like this."""

    code = "already_exists"


class InvalidCursor(Rejected):
    """This cursor does not belong to this list."""

    code = "invalid_cursor"


def translate(error: errors.PyMongoError, what: str) -> TocsinError:
    """The error of our tree that says what happens next.

    Args:
        error: What the driver raised.
        what: The collection or deed, for the message.
    """
    codes = _codes(error)
    if codes and codes <= _DUPLICATE:
        return AlreadyExists(f"There is already one like this in {what}.", collection=what)
    if isinstance(error, errors.DocumentTooLarge) or codes & _TOO_LARGE:
        return TooLarge(f"A document for {what} is above MongoDB's 16 MiB limit.", collection=what)
    if error.has_error_label("TransientTransactionError") or codes & _WRITE_CONFLICT:
        if isinstance(error, errors.ConnectionFailure):
            return StoreUnavailable(f"The database was lost during a transaction on {what}.", collection=what)
        return RevisionConflict(f"Someone else wrote to {what} at the same moment.", collection=what)
    if isinstance(
        error, errors.ConnectionFailure | errors.WTimeoutError | errors.ExecutionTimeout | errors.WaitQueueTimeoutError
    ):
        return StoreUnavailable(f"The database does not answer ({what}): {type(error).__name__}.", collection=what)
    code = min(codes, default=None)
    if codes & (_TIMEOUTS | _NOT_NOW) or error.timeout:
        return StoreUnavailable(f"The database cannot do this now ({what}).", collection=what, mongo_code=code)
    return Defect(f"The database refused a request ({what}): {error}", collection=what, mongo_code=code)


def _codes(error: errors.PyMongoError) -> set[int]:
    """The server's codes; a bulk has one for each of its operations that failed, and its own says nothing."""
    if isinstance(error, errors.BulkWriteError):
        failed = [*error.details.get("writeErrors", ()), *error.details.get("writeConcernErrors", ())]
        return {one["code"] for one in failed if "code" in one}
    return {error.code} if isinstance(error, errors.OperationFailure) and error.code is not None else set()


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise our errors instead of the driver's inside this block."""
    try:
        yield
    except errors.PyMongoError as error:
        raise translate(error, what) from error
