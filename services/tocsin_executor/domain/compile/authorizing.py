"""``$authorization`` behind a task: which scheme authenticated it. The parameter is never known there.

The worker alone has seen what was sent, and a run's state holds no secret; so expressions behind the task read the scheme,
which the definition says, and asterisks, which is what redaction makes of the parameter anywhere else.
"""

from collections.abc import Mapping
from typing import Final

from tocsin.expressions import expression_text
from tocsin_executor.domain.requests import at_place, policy_places
from tocsin_executor.domain.values import Json

_NAMED: Final = {"basic": "Basic", "digest": "Digest"}  # any other scheme sends a bearer token
_VARIABLE: Final = "$authorization"


def with_authorization(data: Json, task: Mapping[str, Json], use: Mapping[str, Json]) -> Json:
    """``output.as`` or ``export.as`` with ``$authorization`` bound, where it is named and the task authenticates itself."""
    if _VARIABLE not in str(data) or (scheme := _scheme(task, use)) is None:
        return data
    bound = f'{{"scheme": "{scheme}", "parameter": "***"}} as {_VARIABLE} | '
    if isinstance(data, str):  # always an expression, so `${ }` is optional
        text = expression_text(data)
        return f"{bound}({data if text is None else text})"
    return _bound(data, bound)


def _bound(data: Json, bound: str) -> Json:
    if isinstance(data, str):
        text = expression_text(data)
        return data if text is None else f"${{ {bound}({text}) }}"
    if isinstance(data, Mapping):
        return {name: _bound(held, bound) for name, held in data.items()}
    return [_bound(held, bound) for held in data] if isinstance(data, list) else data


def _scheme(task: Mapping[str, Json], use: Mapping[str, Json]) -> str | None:
    """The scheme of what is called, before that of the document which describes it."""
    places = policy_places(str(task.get("call")))
    for place in sorted(places, key=lambda place: ("document" in place or "proto" in place, len(place))):
        policy = at_place(task.get("with"), place)
        name = policy.get("use") if isinstance(policy, Mapping) else policy
        if isinstance(name, str):
            policy = at_place(use, ("authentications", name))
        if isinstance(policy, Mapping) and policy:
            return _NAMED.get(str(next(iter(policy))), "Bearer")
    return None
