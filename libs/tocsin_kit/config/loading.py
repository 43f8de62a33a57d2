"""Settings from a TOML file, the environment and the caller; what is wrong is said all at once, by the names people wrote.

Later wins: defaults, the file that ``TOCSIN_CONFIG`` names, ``TOCSIN_<SECTION>_<FIELD>``, overrides of the caller. Any field
can be read from a file instead, with ``<field>_file`` (how secrets are mounted). A name nobody knows is refused with the
nearest known one, because a setting that is silently ignored is worse than none.
"""

import difflib
import json
import os
import tomllib
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from tocsin.errors import Invalid, Violation
from tocsin_kit.config.complaints import in_words
from tocsin_kit.config.sections import SHARED, PlatformSettings, Section

PREFIX: Final = "TOCSIN_"
FILE_SUFFIX: Final = "_file"
# Variables of the command line client and of this module: they may stand in the same environment and are no settings.
NOT_SETTINGS: Final = frozenset(
    {
        "CONFIG",
        "URL",
        "TOKEN",
        "API_KEY",
        "USER",
        "PASSWORD",
        "NAMESPACE",
        "PROFILE",
        "HOME",
        "DATA",
        "CONTEXT",
        "CREDENTIALS",
        "NO_COLOR",
    }
)


def variables(prefix: str) -> dict[str, str]:
    """The variables of this process's environment that begin with ``prefix``: for what is not a setting."""
    return {name: value for name, value in os.environ.items() if name.startswith(prefix)}


Kind = TypeVar("Kind", bound=Section)
Tables = dict[str, dict[str, "_Given"]]


class SettingsInvalid(Invalid):
    """The settings are not valid."""

    code = "settings.invalid"


@dataclass(frozen=True, slots=True)
class _Given:
    """One value, and what the person who gave it calls it."""

    value: object
    called: str


@dataclass(slots=True)
class _Reading:
    """What has been read so far, and what is wrong with it."""

    kinds: Mapping[str, type[Section]]
    foreign: Collection[str]
    tables: Tables = field(default_factory=dict)
    wrong: list[Violation] = field(default_factory=list)

    def complain(self, called: str, detail: str, hint: str | None = None) -> None:
        self.wrong.append(Violation(called, detail, hint))

    def put(self, section: str, name: str, value: object, called: str) -> None:
        self.tables.setdefault(section, {})[name] = _Given(value, called)


class Settings:
    """Validated sections of one process."""

    def __init__(self, sections: Iterable[Section]) -> None:
        self._sections = {type(section): section for section in sections}

    def of(self, kind: type[Kind]) -> Kind:
        """The section of this kind.

        Raises:
            KeyError: It was not asked for when the settings were read.
        """
        section = self._sections[kind]
        assert isinstance(section, kind)
        return section

    @property
    def platform(self) -> PlatformSettings:
        """The shared sections."""
        return PlatformSettings(**{kind.section: self._sections[kind] for kind in SHARED})  # type: ignore[arg-type]


def load(
    kinds: Sequence[type[Section]] = (),
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Mapping[str, object]] | None = None,
    foreign: Collection[str] = (),
) -> Settings:
    """Read the shared sections and ``kinds``.

    Args:
        kinds: Sections beside the shared ones.
        environ: Environment to read; this process's by default.
        overrides: Values that win over everything, by section and field.
        foreign: Names of sections that belong to other services; they may stand in the same file and environment.

    Raises:
        SettingsInvalid: Lists everything that is wrong.
    """
    given = os.environ if environ is None else environ
    all_kinds = {kind.section: kind for kind in (*SHARED, *kinds)}
    reading = _Reading(all_kinds, foreign)
    if path := given.get(f"{PREFIX}CONFIG"):
        _read_file(Path(path), reading)
    _read_environment(given, reading)
    for section, values in (overrides or {}).items():
        for name, value in values.items():
            reading.put(section, name, value, f"[{section}] {name}")
            reading.tables[section].pop(name + FILE_SUFFIX, None)
    validated = [_validated(kind, reading) for kind in all_kinds.values()]
    if reading.wrong:
        lines = "; ".join(f"{violation.pointer}: {violation.detail}" for violation in reading.wrong)
        raise SettingsInvalid(f"The settings are not valid: {lines}", violations=reading.wrong)
    return Settings(section for section in validated if section is not None)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a person most likely meant."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)), None)


def variable(section: str, name: str) -> str:
    """The environment variable of a field."""
    return f"{PREFIX}{section}_{name}".upper()


def is_given(section: str, name: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the environment gives a field, as itself or as a file."""
    given = os.environ if environ is None else environ
    asked = variable(section, name)
    return asked in given or asked + FILE_SUFFIX.upper() in given


def _read_file(path: Path, reading: _Reading) -> None:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = (error.strerror or "cannot be read") if isinstance(error, OSError) else str(error)
        reading.complain(f"{PREFIX}CONFIG", f"the file {path} cannot be read: {why}")
        return
    for section, values in document.items():
        called = f"{path}: [{section}]"
        if section in reading.kinds and isinstance(values, dict):
            for name, value in values.items():
                reading.put(section, name, value, f"{called} {name}")
        elif section not in reading.foreign:
            known = (*reading.kinds, *reading.foreign)
            reading.complain(called, "there is no such section", _meant(nearest(section, known)))


def _read_environment(environ: Mapping[str, str], reading: _Reading) -> None:
    sections = sorted((*reading.kinds, *reading.foreign), key=len, reverse=True)
    for called in sorted(environ):
        rest = called.removeprefix(PREFIX)
        if rest == called or rest in NOT_SETTINGS:
            continue
        section = next((name for name in sections if rest.startswith(name.upper() + "_")), None)
        if section is None:
            known = [variable(kind.section, name) for kind in reading.kinds.values() for name in kind.model_fields]
            reading.complain(called, "no setting has this name", _meant(nearest(called, known)))
        elif section in reading.kinds:
            reading.put(section, rest[len(section) + 1 :].lower(), environ[called], called)


def _validated(kind: type[Section], reading: _Reading) -> Section | None:
    """The section, or ``None`` after complaints."""
    values = _collected(kind, reading)
    try:
        return kind(**{name: given.value for name, given in values.items()})
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            missing = problem["type"] == "missing"
            detail = "must be given" if missing else in_words(problem)
            hint = f"or name a file with {variable(kind.section, name)}_FILE" if missing else None
            called = values[name].called if name in values else variable(kind.section, name)
            reading.complain(called, detail[:1].lower() + detail[1:], hint)
        return None


def _collected(kind: type[Section], reading: _Reading) -> dict[str, _Given]:
    """What was given for the fields of a section, files read; complaints about names that are no fields."""
    table, fields = reading.tables.get(kind.section, {}), kind.model_fields
    values: dict[str, _Given] = {}
    for name, given in table.items():
        field_name = name if name in fields else name.removesuffix(FILE_SUFFIX)
        if field_name not in fields:
            near = nearest(name, fields)
            shown = variable(kind.section, near) if near and given.called.startswith(PREFIX) else near
            reading.complain(given.called, f"the section {kind.section} has no such setting", _meant(shown))
        elif field_name != name and field_name in table:
            reading.complain(given.called, f"{table[field_name].called} is given as well; give one of the two")
        else:
            value = _from_file(given, reading) if field_name != name else given.value
            if isinstance(value, str):
                value = _structured(value, fields[field_name].annotation)
            values[field_name] = _Given(value, given.called)
    return values


def _from_file(given: _Given, reading: _Reading) -> object:
    try:
        return Path(str(given.value)).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        reading.complain(given.called, f"the file {given.value} cannot be read: {why}")
        return ""


def _structured(text: str, annotation: object) -> object:
    """Text from the environment for a field that holds several values: JSON, or a list separated by commas."""
    shapes = {typing.get_origin(part) or part for part in (annotation, *typing.get_args(annotation))}
    if not shapes & {list, tuple, set, frozenset, dict}:
        return text
    if text.lstrip().startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return [part.strip() for part in text.split(",") if part.strip()] if dict not in shapes else text


def _meant(name: str | None) -> str | None:
    return f"did you mean {name}?" if name else None
