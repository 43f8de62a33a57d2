"""What the API of secrets takes and gives: values go in, and are in no model that goes out."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, JsonValue, model_validator

from tocsin_auth.domain.secrets import Provider
from tocsin_auth.http.schemas import NamespaceName
from tocsin_kit.web import Input, PageQuery

SecretName = Annotated[str, Field(min_length=1, max_length=128)]
Value = Annotated[str, Field(max_length=64 * 1024)] | dict[str, JsonValue]
Pattern = Annotated[str, Field(max_length=128, pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]*\*?)$")]


class SecretPath(Input):
    """Names a secret."""

    name: SecretName


class SecretPlace(Input):
    """In which namespace."""

    namespace: NamespaceName = Field("default", description="`*` for the global ones.")


class SecretQuery(PageQuery):
    """Which secrets."""

    namespace: NamespaceName | None = Field(None, description="`*` for the global ones; all that you may see if not given.")


class SecretBody(SecretPlace):
    """A value, or where it is; what is left out stays."""

    value: Value | None = Field(
        None, description="A string or an object.", json_schema_extra={"writeOnly": True, "format": "password"}
    )
    provider: Provider | None = Field(None, description="Where the value is, if not here; with `reference`.")
    reference: str | None = Field(
        None,
        max_length=1024,
        description="Name of a variable, `path` or `path#member`. `<namespace>/...` unless you may write all.",
    )
    workflows: list[Pattern] | None = Field(
        None, max_length=100, description="Which workflows may use it (`billing-*`); all of the namespace if empty."
    )
    summary: str | None = Field(None, max_length=500)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        elsewhere = self.provider is not None and self.provider is not Provider.STORE
        if elsewhere != (self.reference is not None):
            raise ValueError("a provider other than store goes with a reference, and a reference with a provider")
        if elsewhere and self.value is not None:
            raise ValueError("either a value, or a provider and a reference")
        return self


class NewValue(SecretPlace):
    """Another value for a secret that exists."""

    value: Value = Field(json_schema_extra={"writeOnly": True, "format": "password"})


class WantedVersion(SecretPlace):
    """An earlier version."""

    version: int = Field(ge=1)


class VersionModel(BaseModel):
    """One value, without it."""

    number: int
    made_at: datetime
    made_by: str


class SecretModel(BaseModel):
    """A secret, without its value."""

    name: str
    namespace: str = Field(description="`*` for all.")
    provider: Provider
    reference: str | None
    version: int | None = Field(description="That is given out; none when the value is elsewhere.")
    versions: list[VersionModel] = Field(description="That are kept, the latest first.")
    workflows: list[str]
    summary: str
    created_at: datetime
    changed_at: datetime
    last_used_at: datetime | None


class Resealed(BaseModel):
    """What was done."""

    key: str = Field(description="Id of the active data key.")
    secrets: int = Field(description="So many were sealed anew.")


class Rewrapped(BaseModel):
    """What was done."""

    keys: int = Field(description="So many keys were wrapped anew.")
