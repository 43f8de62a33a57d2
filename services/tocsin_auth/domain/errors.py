"""What the auth service refuses, with codes that clients may rely on."""

from tocsin.errors import Conflict, Forbidden, Invalid, TooMany, Unauthenticated


class WrongCredentials(Unauthenticated):
    """The name or the password is wrong, or the account is disabled."""

    code = "wrong_credentials"


class SecondFactorNeeded(Unauthenticated):
    """The password is right; send it again with the code of the second factor."""

    code = "second_factor_needed"


class WrongCode(Unauthenticated):
    """The code is wrong, or was used before."""

    code = "wrong_code"


class SessionEnded(Unauthenticated):
    """The session has ended; log in again."""

    code = "session_ended"


class TooManyLogins(TooMany):
    """Too many failed logins from there; wait."""

    code = "too_many_logins"


class WeakPassword(Invalid):
    """The password is too easy to guess."""

    code = "weak_password"


class WiderThanOwn(Forbidden):
    """Nobody can give, or take over, more than they hold."""

    code = "wider_than_own"


class SecondPersonNeeded(Forbidden):
    """The namespace is protected: somebody else has to give you this role."""

    code = "second_person_needed"


class FactorOverdue(Forbidden):
    """The time to add a second factor is over; somebody who may change users has to give time again."""

    code = "second_factor_overdue"


class BuiltIn(Conflict):
    """Built-in roles cannot be changed."""

    code = "built_in"


class InUse(Conflict):
    """Something still refers to it."""

    code = "in_use"


class LastAdministrator(Conflict):
    """There must be somebody left who may do everything."""

    code = "last_administrator"
