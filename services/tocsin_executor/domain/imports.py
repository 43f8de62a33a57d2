"""What a definition takes from elsewhere, and the definition with all of that inside.

Functions of catalogs and schemas by address are fetched when a definition is published, and become part of what is published:
its digest covers them, so a run never changes because somebody else's file did.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin_executor.domain.values import Json

MOST: Final = 64
"""Imports of one definition, those of imported functions included."""

_CATALOGED: Final = re.compile(r"([^:@\s/]+):([^:@\s/]+)@([^:@\s/]+)")
_GITHUB: Final = re.compile(r"https://github\.com/([^/]+)/([^/@]+)(?:/(?:tree|blob)/([^/]+))?(/[^@]*)?(?:@(.+))?")
_GITLAB: Final = re.compile(r"(https://gitlab\.com/.+)/-/(?:tree|blob)/(.+)")
_DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Import:
    """Something to fetch.

    Attributes:
        key: What the definition calls it: the text of a ``call``, or the pointer of a schema.
        endpoint: Where it is, as an endpoint of the language.
    """

    key: str
    endpoint: Json


def functions_of(document: Mapping[str, Json]) -> list[Import]:
    """Functions that are called by address or from a catalog, and that the document does not have yet."""
    use = document.get("use")
    catalogs, known = _section(use, "catalogs"), _section(use, "functions")
    found: dict[str, Import] = {}
    for called in _calls({name: part for name, part in document.items() if name in {"do", "use"}}):
        if called in known or called in found:
            continue
        if "://" in called:
            found[called] = Import(called, raw_address(called))
        elif match := _CATALOGED.fullmatch(called):
            name, version, catalog = match.groups()
            endpoint = _endpoint(catalogs.get(catalog), catalog)
            if endpoint is not None:
                found[called] = Import(called, _below(endpoint, f"functions/{name}/{version}/function.yaml"))
    return list(found.values())


def schemas_of(document: Mapping[str, Json]) -> list[Import]:
    """Schemas by resource; the key is their JSON pointer."""
    return list(_schemas(document, ""))


def bundled(document: Mapping[str, Json], functions: Mapping[str, Json], schemas: Mapping[str, Json]) -> dict[str, Json]:
    """The document with its imports inside."""
    result = _filled(document, "", schemas)
    assert isinstance(result, dict)
    if functions:
        use = result.get("use")
        held = dict(use) if isinstance(use, Mapping) else {}
        held["functions"] = {**_section(held, "functions"), **functions}
        result["use"] = held
    return result


def raw_address(address: str) -> str:
    """Where a file of a well-known forge is as it is, instead of a page that shows it."""
    if match := _GITHUB.fullmatch(address):
        owner, name, branch, path, version = match.groups()
        path = (path or "").strip("/")
        if not path.endswith((".yaml", ".yml", ".json")):
            path = f"{path}/function.yaml".lstrip("/")
        reference = f"refs/tags/{version}" if version else f"refs/heads/{branch or 'main'}"
        return f"https://raw.githubusercontent.com/{owner}/{name}/{reference}/{path}"
    if match := _GITLAB.fullmatch(address):
        return f"{match[1]}/-/raw/{match[2]}"
    return address


def _below(endpoint: Json, path: str) -> Json:
    """A file under a catalog's root, with the catalog's authentication."""
    root = endpoint.get("uri") if isinstance(endpoint, Mapping) else endpoint
    uri = raw_address(f"{str(root).rstrip('/')}/{path}") if root else path
    return {**endpoint, "uri": uri} if isinstance(endpoint, Mapping) else uri


def _endpoint(catalog: Json, name: str) -> Json:
    if isinstance(catalog, Mapping):
        return catalog.get("endpoint")
    return "" if name == _DEFAULT else None  # the default catalog is the folder of the installation


def _section(use: Json, name: str) -> Mapping[str, Json]:
    found = use.get(name) if isinstance(use, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _calls(value: Json) -> Iterator[str]:
    if isinstance(value, Mapping):
        called = value.get("call")
        if isinstance(called, str):
            yield called
        for name, held in value.items():
            if name != "metadata":
                yield from _calls(held)
    elif isinstance(value, list):
        for held in value:
            yield from _calls(held)


def _schemas(value: Json, pointer: str) -> Iterator[Import]:
    if isinstance(value, Mapping):
        for name, held in value.items():
            here = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            if name == "schema" and isinstance(held, Mapping) and "resource" in held and "document" not in held:
                resource = held["resource"]
                yield Import(here, resource.get("endpoint") if isinstance(resource, Mapping) else None)
            elif name not in {"metadata", "with", "set"}:
                yield from _schemas(held, here)
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from _schemas(held, f"{pointer}/{index}")


def _filled(value: Json, pointer: str, schemas: Mapping[str, Json]) -> Json:
    if not schemas:
        return dict(value) if isinstance(value, Mapping) else value
    if isinstance(value, Mapping):
        copy: dict[str, Json] = {}
        for name, held in value.items():
            here = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            copy[name] = _filled(held, here, schemas)
            if here in schemas and isinstance(held, Mapping):
                copy[name] = {**held, "document": schemas[here]}
        return copy
    if isinstance(value, list):
        return [_filled(held, f"{pointer}/{index}", schemas) for index, held in enumerate(value)]
    return value
