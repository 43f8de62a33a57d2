"""Writes ``docs/reference/configuration.md`` from the sections: ``python -m tocsin_kit.config.reference [--check]``."""

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tocsin_kit.config.durations import show_duration
from tocsin_kit.config.loading import PREFIX, variable
from tocsin_kit.config.secret import Secret
from tocsin_kit.config.sections import SHARED, Section

PAGE = Path("docs/reference/configuration.md")
_HEAD = f"""# Configuration

<!-- Written by `python -m tocsin_kit.config.reference`; change the settings' classes instead. -->

Each setting is an environment variable, or a field in the TOML file that `{PREFIX}CONFIG` names (the environment wins):

```toml
[nats]
url = "nats://broker-1:4222,nats://broker-2:4222"
user = "trigger"
password_file = "/run/secrets/nats-password"
```

Every setting can be read from a file instead: add `_FILE` to the variable, or `_file` to the field. Durations are written
`250ms`, `30s`, `5m`, `2h` or `7d`; lists are separated by commas. A name that is not on this page stops the start, and the
message says the nearest one that is.
"""


def render(services: Sequence[type[Section]]) -> str:
    """The page.

    Args:
        services: The services' own sections, in the order of the page.
    """
    parts = [_HEAD, "\n## Shared by all services\n"]
    parts += [_table(kind) for kind in SHARED]
    if services:
        parts.append("\n## Of single services\n")
        parts += [_table(kind) for kind in services]
    return "".join(parts)


def installed_sections() -> list[type[Section]]:
    """The sections of all installed services, by name."""
    found = [entry.load() for entry in sorted(entry_points(group="tocsin.services"), key=lambda entry: entry.name)]
    return [kind for definition in found for kind in (definition.settings, *getattr(definition, "more_settings", ()))]


def _table(kind: type[Section]) -> str:
    about = " ".join((kind.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
    if not kind.model_fields:
        return f"\n### `[{kind.section}]`\n\n{about}\n"
    rows = [f"\n### `[{kind.section}]`\n\n{about}\n\n", "| variable | type | default | meaning |\n| --- | --- | --- | --- |\n"]
    for name, field in kind.model_fields.items():
        description = " ".join((field.description or "").split()).replace("|", "\\|")
        row = f"| `{variable(kind.section, name)}` | {_type(field.annotation)} | {_default(field)} | {description} |\n"
        rows.append(row)
    return "".join(rows)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "**required**"
    if isinstance(value, Secret):
        value = value.reveal()
    if value is None or value in ((), [], {}):
        return "none"
    if isinstance(value, timedelta):
        return f"`{show_duration(value)}`"
    if isinstance(value, list | tuple):
        return f"`{','.join(str(part) for part in value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(annotation: Any) -> str:
    known = {
        str: "text",
        int: "number",
        float: "number",
        bool: "true or false",
        timedelta: "duration",
        Secret: "secret",
        Path: "path",
    }
    if annotation in known:
        return known[annotation]
    origin = get_origin(annotation)
    arguments = [part for part in get_args(annotation) if part not in {type(None), Ellipsis}]
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " \\| ".join(f"`{part}`" for part in arguments)
    if origin in {list, tuple, set, frozenset}:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "JSON object"
    return (
        " \\| ".join(dict.fromkeys(_type(part) for part in arguments)) if arguments else getattr(annotation, "__name__", "text")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with ``--check`` say whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the page is not up to date")
    options = parser.parse_args(arguments)
    page = render(installed_sections())
    if options.check:
        current = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        if current != page:
            sys.stderr.write(f"{PAGE} is not up to date: run python -m tocsin_kit.config.reference\n")
            return 1
        return 0
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
