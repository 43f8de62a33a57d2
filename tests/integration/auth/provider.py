"""`oidc-provider-mock`, with the check of code verifiers (RFC 7636) that Authlib, its base, has and it leaves out."""

from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc7636 import CodeChallenge
from oidc_provider_mock import _app
from oidc_provider_mock.__main__ import run

CHALLENGES: dict[str, tuple[str, str]] = {}
register = AuthorizationServer.register_grant


class Remembering(_app.AuthorizationCodeGrant):
    """Keeps the challenge that came with a request for a code."""

    def save_authorization_code(self, code: str, request: Any) -> None:
        super().save_authorization_code(code, request)
        said = request.payload.data
        CHALLENGES[code] = (said.get("code_challenge", ""), said.get("code_challenge_method", ""))


class Checking(CodeChallenge):
    """Finds it again."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def get_authorization_code_challenge(self, authorization_code: Any) -> str:
        return CHALLENGES[authorization_code.code][0]

    def get_authorization_code_challenge_method(self, authorization_code: Any) -> str:
        return CHALLENGES[authorization_code.code][1]


def register_checking(self: Any, grant: Any, extensions: Any = ()) -> None:
    """As the provider does, with the check added."""
    if grant is _app.AuthorizationCodeGrant:
        grant, extensions = Remembering, [*extensions, Checking(required=True)]
    register(self, grant, extensions or None)


AuthorizationServer.register_grant = register_checking

if __name__ == "__main__":
    run()
