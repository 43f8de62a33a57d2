"""Fetches what a definition takes from elsewhere, while it is being published."""

from collections.abc import Mapping
from typing import Final

import orjson

from tocsin.definitions import Definition, validate
from tocsin.errors import Invalid, Rejected, Unavailable, Violation
from tocsin_executor.domain.imports import MOST, Import, bundled, functions_of, schemas_of
from tocsin_executor.domain.values import Json
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.secrets import SecretSource, ask_for
from tocsin_executor.worker.tasks import Failed, Task
from tocsin_kit.clock import Clock

_ALONE: Final = "/do/0/function"
_ROUNDS: Final = 8  # functions that call functions of catalogs that call …


class Imports:
    """Functions and schemas by address.

    Args:
        resources: Fetches.
        secrets: For catalogs that ask for them.
        clock: Time.
    """

    def __init__(self, resources: Resources, secrets: SecretSource, clock: Clock) -> None:
        self._resources = resources
        self._secrets = secrets
        self._clock = clock

    async def bundled(self, document: Mapping[str, Json]) -> dict[str, Json]:
        """The document with everything inside that it imports; the same content if it imports nothing.

        Raises:
            Invalid: Something is not to be had, or is not what it should be; the violation has the place of its use.
            Unavailable: The auth service does not answer, which a catalog needs.
        """
        whole, imported = dict(document), 0
        for _ in range(_ROUNDS):
            functions, schemas = functions_of(whole), schemas_of(whole)
            if not functions and not schemas:
                return whole
            imported += len(functions) + len(schemas)
            if imported > MOST:
                raise Invalid(f"the definition imports more than {MOST} functions and schemas")
            found = {one.key: await self._function(whole, one) for one in functions}
            whole = bundled(whole, found, {one.key: await self._fetched(whole, one, one.key) for one in schemas})
        raise Invalid(f"imported functions import others more than {_ROUNDS} levels deep")

    async def _function(self, document: Mapping[str, Json], one: Import) -> Json:
        task = await self._fetched(document, one, _place(document, one.key))
        head = {"dsl": "1.0.3", "namespace": "imported", "name": "function", "version": "1.0.0"}
        use = document.get("use")
        alone: dict[str, Json] = {"document": head, "do": [{"function": task}]}
        if isinstance(use, Mapping):
            alone["use"] = dict(use)
        definition = Definition(orjson.loads(orjson.dumps(alone)), "", one.key, {})
        wrong = [found for found in validate(definition) if found.pointer.startswith("/do/")]
        if wrong:
            place = _place(document, one.key)
            details = [
                f"the function {one.key}: {found.pointer[len('/do/0/function') :] or '/'}: {found.detail}" for found in wrong
            ]
            raise Invalid(details[0], violations=[Violation(place, detail, None) for detail in details])
        return task

    async def _fetched(self, document: Mapping[str, Json], one: Import, place: str) -> Json:
        head = document.get("document")
        about = head if isinstance(head, Mapping) else {}
        namespace, workflow = str(about.get("namespace", "default")), str(about.get("name", ""))
        task = Task("", "", "import", one.key, place, namespace, None, None, None, None, None, "")
        try:
            names = _secret_names(one.endpoint)
            if names:
                used_by = {"workflow": workflow, "import": one.key}
                task.secrets = await ask_for(self._secrets, namespace, names, used_by, self._clock)
            return (await self._resources.document(task, {"endpoint": one.endpoint}))[1]
        except Failed as failure:
            detail = task.redaction.text(f"{one.key} cannot be imported: {failure.problem['detail']}")
            raise Invalid(detail, violations=[Violation(place, detail, None)]) from failure
        except Unavailable:
            raise
        except Rejected as error:
            raise Invalid(error.detail, violations=[Violation(place, error.detail, error.hint)]) from error


def _secret_names(endpoint: Json) -> list[str]:
    policy = endpoint.get("authentication") if isinstance(endpoint, Mapping) else None
    schemes = policy.values() if isinstance(policy, Mapping) else []
    return [str(scheme["use"]) for scheme in schemes if isinstance(scheme, Mapping) and "use" in scheme]


def _place(value: Json, called: str, pointer: str = "") -> str:
    """The pointer of the first call of a function."""
    if isinstance(value, Mapping):
        if value.get("call") == called:
            return f"{pointer}/call"
        items = [(name.replace("~", "~0").replace("/", "~1"), held) for name, held in value.items()]
    elif isinstance(value, list):
        items = [(str(index), held) for index, held in enumerate(value)]
    else:
        return ""
    for name, held in items:
        if found := _place(held, called, f"{pointer}/{name}"):
            return found
    return ""
