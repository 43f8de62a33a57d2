"""How a refusal looks: one sentence, what to do about it, and each single thing that is wrong. On standard error."""

import json
import os
import sys

from tocsin.errors import TocsinError, Violation


def show_error(error: TocsinError, *, as_json: bool) -> None:
    """Say it to a person, or to a program as one JSON object."""
    if as_json:
        print(json.dumps({"error": _members(error)}, ensure_ascii=False), file=sys.stderr)
        return
    print(f"{_mark('error', 31)}: {error.detail}", file=sys.stderr)
    for violation in error.violations:
        if violation.detail not in error.detail:
            print(f"  {place(violation)}{violation.detail}", file=sys.stderr)
        if violation.hint and violation.hint != error.hint:
            print(f"    {_mark('hint', 36)}: {violation.hint}", file=sys.stderr)
    if error.hint:
        print(f"{_mark('hint', 36)}: {error.hint}", file=sys.stderr)
    request = error.fields.get("request_id")
    if error.status >= 500 and request:
        print(f"request: {request}", file=sys.stderr)


def place(violation: Violation) -> str:
    """Where it is, for the beginning of a line."""
    where = f"{violation.line}:{violation.column or 1}" if violation.line else violation.pointer
    return f"{where}: " if where else ""


def _members(error: TocsinError) -> dict[str, object]:
    members: dict[str, object] = {"code": error.fields.get("code", error.code), "detail": error.detail}
    if error.hint:
        members["hint"] = error.hint
    if error.violations:
        members["errors"] = [
            {name: value for name in Violation.__slots__ if (value := getattr(violation, name)) is not None}
            for violation in error.violations
        ]
    facts = {name: value for name, value in error.fields.items() if value is not None and name != "code"}
    return {**members, **facts}


def _mark(word: str, colour: int) -> str:
    return f"\x1b[{colour};1m{word}\x1b[0m" if sys.stderr.isatty() and colour_wanted() else word


def colour_wanted() -> bool:
    """Whether the user has not asked for plain text (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
