"""What the API takes and gives. Secrets go in and, once, out; they are in no other model."""

from datetime import datetime, time
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from tocsin_kit.web import Input, PageQuery

Name = Annotated[str, Field(min_length=1, max_length=63)]
Password = Annotated[str, Field(min_length=1, max_length=256, json_schema_extra={"format": "password", "writeOnly": True})]
Token = Annotated[str, Field(min_length=1, max_length=8192)]
PermissionName = Annotated[str, Field(max_length=128, pattern=r"^(\*|[a-z][a-z0-9-]*):(\*|[a-z][a-z0-9-]*)$")]
NamespaceName = Annotated[str, Field(max_length=63, pattern=r"^(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$")]


class WindowModel(Input):
    """Hours of a week."""

    days: list[Annotated[int, Field(ge=1, le=7)]] = Field(min_length=1, max_length=7, description="1 is Monday.")
    start: time = Field(description="Local time, such as `08:00`.")
    end: time = Field(description="Local time; on the next day where it is not after the beginning.")
    zone: str = Field("UTC", max_length=64, description="IANA time zone.")


class ConditionModel(Input):
    """All of it must hold."""

    environments: list[Name] = Field(default_factory=list, max_length=20, description="Namespaces of these environments.")
    labels: dict[str, str] = Field(default_factory=dict, max_length=20, description="Namespaces with all of these labels.")
    window: WindowModel | None = None
    not_before: AwareDatetime | None = None
    not_after: AwareDatetime | None = None


class BindingModel(Input):
    """A role held in a namespace, or denied there."""

    role: Name
    namespace: NamespaceName = Field("*", description="`*` for all.")
    names: str = Field(
        "*", max_length=128, description="Of the things there: a name, whole segments and `*` (`billing-*`), or all."
    )
    deny: bool = Field(False, description="Take away what the role names, whatever else gives it.")
    when: ConditionModel | None = None


class GrantModel(Input):
    """A permission in a namespace."""

    permission: PermissionName = Field(description="`resource:action`; either part may be `*`.")
    namespace: NamespaceName = Field("*", description="`*` for all.")
    name: str = Field("*", max_length=128, description="Of the things there: a name, whole segments and `*`, or all.")


class HeldGrant(GrantModel):
    """A permission that somebody holds, or that a rule takes away."""

    deny: bool = False


# ---- logging in ----------------------------------------------------------------------------------------------------------


class Login(Input):
    """Name and password."""

    user: str = Field(min_length=1, max_length=256)
    password: Password
    code: str | None = Field(
        None,
        min_length=6,
        max_length=32,
        description="Of the second factor, or a recovery code.",
        json_schema_extra={"writeOnly": True},
    )


class RefreshRequest(Input):
    """A refresh token."""

    refresh_token: Token


class ApiKeyExchangeRequest(Input):
    """An API key."""

    api_key: Token


class ServiceExchange(Input):
    """A service and its secret."""

    service: Name
    secret: Token


class AccessToken(BaseModel):
    """A token for the `Authorization` header."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds.")


class TokenPair(AccessToken):
    """With a token for the next one."""

    refresh_token: str = Field(description="Works once: each refresh gives a new one.")
    refresh_expires_at: datetime


class Me(BaseModel):
    """Who is logged in."""

    subject: str
    name: str
    person: str = Field(description="Who is behind it: the owner of a key.")
    grants: list[HeldGrant]
    expires_at: datetime | None
    second_factor_due: datetime | None = Field(
        None, description="Add a second factor before then: some of your roles count only with one."
    )


class PasswordChange(Input):
    """One's own password."""

    current: Password
    new: Password


class Rotated(BaseModel):
    """A new signing key."""

    kid: str


class Jwks(BaseModel):
    """RFC 7517 key set."""

    keys: list[dict[str, str | list[str]]]


# ---- users and roles -----------------------------------------------------------------------------------------------------


class UserPath(Input):
    """Names a user."""

    name: Name


class NewUser(Input):
    """A user to create."""

    name: Name
    password: Password | None = Field(None, description="None for a service account, which has API keys only.")
    machine: bool = Field(False, description="A service account; then without a password.")
    bindings: list[BindingModel] = Field(default_factory=list, max_length=200)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.machine != (self.password is None):
            raise ValueError("a person has a password, a service account (`machine`) has none")
        return self


class UserChange(Input):
    """What is left out stays."""

    bindings: list[BindingModel] | None = Field(None, max_length=200)
    disabled: bool | None = None


class NewPassword(Input):
    """A password for somebody else."""

    password: Password


class UserModel(BaseModel):
    """A user."""

    name: str
    bindings: list[BindingModel]
    disabled: bool
    created_at: datetime
    machine: bool
    second_factor: bool
    origin: str = Field(description="Issuer and subject at an identity provider; empty for a user of this platform only.")
    claims: list[str] = Field(description="Values of the group claim at the latest login there.")


class RolePath(Input):
    """Names a role."""

    name: Name


class RoleBody(Input):
    """A role's permissions."""

    permissions: list[PermissionName] = Field(min_length=1, max_length=500)
    summary: str = Field("", max_length=500)


class RoleModel(BaseModel):
    """A role."""

    name: str
    permissions: list[str]
    summary: str
    built_in: bool


class RoleList(BaseModel):
    """All roles; there are few."""

    items: list[RoleModel]
    next_cursor: str | None = None


# ---- API keys ------------------------------------------------------------------------------------------------------------


class KeyPath(Input):
    """Names a key by its public id."""

    id: Name


class KeyQuery(PageQuery):
    """Which keys."""

    owner: Name | None = Field(None, description="A user, or `*` for all (needs `api-key:read`); one's own if not given.")


class NewKey(Input):
    """A key to make."""

    name: str = Field(min_length=1, max_length=100, description="For you, to know it again.")
    grants: list[GrantModel] = Field(
        default_factory=list, max_length=200, description="What it gives; all that you hold if empty."
    )
    expires_at: AwareDatetime | None = Field(None, description="Refused from then on; never if not given.")
    owner: Name | None = Field(None, description="A service account; yourself if not given.")


class KeyRotation(Input):
    """How to replace a key."""

    overlap_seconds: int = Field(86_400, ge=0, le=30 * 86_400, description="So long the old key works on.")


class KeyModel(BaseModel):
    """An API key, without its secret."""

    id: str
    name: str
    owner: str
    grants: list[GrantModel]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaces: str | None
    replaced_by: str | None


class MadeKey(KeyModel):
    """A new key."""

    api_key: str = Field(description="Shown this once. It goes into the `Authorization: Bearer` header.")


class BusCredentials(BaseModel):
    """How to connect to NATS with any client."""

    url: str
    user: str
    password: str = Field(description="An API key, shown this once.")
    inbox_prefix: str = Field(description="Set it in the client; other inboxes are not allowed.")
    publish: list[str] = Field(description="Subjects that may be published.")
    subscribe: list[str] = Field(description="Subjects that may be subscribed.")
    key: str = Field(description="Id of the API key, to revoke it.")
    expires_at: datetime | None
