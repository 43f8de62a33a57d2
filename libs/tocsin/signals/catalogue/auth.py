"""Signals of auth: who exists, who may do what, who came in. They never carry a credential, not even a part of one."""

from pydantic import Field

from tocsin.signals.changes import Changed
from tocsin.signals.kinds import AwareDatetime, Name, Payload, Reason, Severity, Shelf

SHELF = Shelf("auth")


class UserChanged(Changed):
    """Data of the signals about a user."""

    name: Name
    roles: list[str] = Field(default_factory=list)


class RoleChanged(Changed):
    """Data of the signals about a role."""

    name: Name
    grants: list[str] = Field(default_factory=list, description="`<resource>:<action>@<namespace>`")


class LoginSucceeded(Payload):
    """Data of `login.succeeded`."""

    name: Name
    method: str = Field(description="password, api-key, ...")


class LoginFailed(Payload):
    """Data of `login.failed`."""

    name: Name = Field(description="The name that was claimed.")
    method: str
    reason: Reason


class LoginEnded(Changed):
    """Data of `login.ended`."""

    name: Name
    reason: Reason


class BusLoginFailed(Payload):
    """Data of `bus-login.failed`."""

    address: str = Field(max_length=256, description="Where the connection came from, as the NATS server saw it.")
    reason: Reason
    more: int = Field(0, ge=0, description="Refusals from there since the last such signal; they are not said one by one.")


class BusLoginEnded(Payload):
    """Data of `bus-login.ended`."""

    name: str = Field(max_length=256, description="Subject that was connected: `user:<name>` or `key:<id>`.")
    address: str = Field(max_length=256, description="Where the connection came from, as the NATS server saw it.")
    reason: Reason


class ApiKeyChanged(Changed):
    """Data of the signals about an API key."""

    key: str = Field(description="Public id of the key.")
    owner: Name = Field(description="Subject that it acts for.")
    name: Name | None = None
    expires_at: AwareDatetime | None = None


class SigningKeyRotated(Changed):
    """Data of `signing-key.rotated`."""

    kid: str


class GroupChanged(Changed):
    """Data of the signals about a group."""

    name: Name
    members: list[str] = Field(default_factory=list)
    claimed: list[str] = Field(default_factory=list, description="Values of the group claim of an identity provider.")
    roles: list[str] = Field(default_factory=list)


class NamespaceRuled(Changed):
    """Data of `namespace.ruled`."""

    name: Name
    environment: str = ""
    protected: bool = False
    reviewed: bool = Field(False, description="Whether publishing there takes a proposal and somebody else who agrees.")


class SecondFactorRuled(Changed):
    """Data of `second-factor.ruled`."""

    rules: list[str] = Field(default_factory=list, description="`<role>@<namespace>`; `*` for all.")


class DataKeyRotated(Changed):
    """Data of `data-key.rotated`."""

    key: str = Field(description="Id of the key that values are sealed under from now on.")


class SecretChanged(Changed):
    """Data of the signals about a secret; never its value."""

    name: Name
    scope: str = Field(description="Namespace, or `*` for all.")
    provider: str = Field(description="store, environment, file or vault")
    version: int = Field(description="Of the latest value kept here; 0 when there was none.")


class UsedSecret(Payload):
    """One secret that was given out."""

    name: Name
    scope: str = Field(description="Where it was found: the namespace, or `*`.")
    version: int | None = Field(None, description="Of the value; none when it came from elsewhere.")


class SecretUsed(Payload):
    """Data of `secret.used`: one request of a service, with all names it asked for."""

    secrets: list[UsedSecret]
    service: Name = Field(description="Who was given the values.")
    used_by: dict[str, str] = Field(default_factory=dict, description="What for: run, task, workflow, ...")


class SecretRefused(Payload):
    """Data of `secret.refused`."""

    secrets: list[str]
    service: Name
    used_by: dict[str, str] = Field(default_factory=dict)


USER_CREATED = SHELF.add("user", "created", UserChanged, "A user was created.")
USER_UPDATED = SHELF.add("user", "updated", UserChanged, "A user was changed.")
USER_DISABLED = SHELF.add("user", "disabled", UserChanged, "A user may not log in any more.", severity=Severity.WARN)
USER_DELETED = SHELF.add("user", "deleted", UserChanged, "A user was deleted.")
USER_PASSWORD_CHANGED = SHELF.add("user", "password-changed", UserChanged, "A user has a new password.")
ROLE_CREATED = SHELF.add("role", "created", RoleChanged, "A role was created.")
ROLE_UPDATED = SHELF.add("role", "updated", RoleChanged, "The grants of a role changed.", severity=Severity.WARN)
ROLE_DELETED = SHELF.add("role", "deleted", RoleChanged, "A role was deleted.")
LOGIN_SUCCEEDED = SHELF.add("login", "succeeded", LoginSucceeded, "Somebody logged in.")
LOGIN_FAILED = SHELF.add("login", "failed", LoginFailed, "Somebody failed to log in.", severity=Severity.WARN)
LOGIN_ENDED = SHELF.add("login", "ended", LoginEnded, "Somebody logged out, or their session was closed.")
BUS_LOGIN_FAILED = SHELF.add(
    "bus-login", "failed", BusLoginFailed, "Somebody failed to connect to NATS.", severity=Severity.WARN
)
BUS_LOGIN_ENDED = SHELF.add(
    "bus-login", "ended", BusLoginEnded, "A NATS connection was ended because its credential counts no more."
)
API_KEY_CREATED = SHELF.add("api-key", "created", ApiKeyChanged, "An API key was created.")
API_KEY_REVOKED = SHELF.add("api-key", "revoked", ApiKeyChanged, "An API key was revoked and is refused.")
SIGNING_KEY_ROTATED = SHELF.add("signing-key", "rotated", SigningKeyRotated, "Tokens are signed with a new key.")
GROUP_CREATED = SHELF.add("group", "created", GroupChanged, "A group was created.")
GROUP_UPDATED = SHELF.add("group", "updated", GroupChanged, "The members or roles of a group changed.", severity=Severity.WARN)
GROUP_DELETED = SHELF.add("group", "deleted", GroupChanged, "A group was deleted.")
NAMESPACE_RULED = SHELF.add("namespace", "ruled", NamespaceRuled, "It was said what a namespace is, for conditions of roles.")
SECOND_FACTOR_RULED = SHELF.add(
    "second-factor", "ruled", SecondFactorRuled, "It was said which roles take a second factor.", severity=Severity.WARN
)
DATA_KEY_ROTATED = SHELF.add("data-key", "rotated", DataKeyRotated, "Secrets are sealed under a new data key.")
SECRET_CREATED = SHELF.add("secret", "created", SecretChanged, "A secret was stored, or said where it is.")
SECRET_UPDATED = SHELF.add("secret", "updated", SecretChanged, "A secret has another value, place or rules.")
SECRET_DELETED = SHELF.add("secret", "deleted", SecretChanged, "A secret was deleted, with all its versions.")
SECRET_USED = SHELF.add("secret", "used", SecretUsed, "Secrets were given to a service.", collection="secret-uses")
SECRET_REFUSED = SHELF.add(
    "secret",
    "refused",
    SecretRefused,
    "Secrets were asked for by a workflow that they are not for.",
    collection="secret-uses",
    severity=Severity.WARN,
)
