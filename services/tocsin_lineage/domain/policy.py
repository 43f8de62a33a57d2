"""What people declare about an asset, read from one JSON object: partitions, what it is made of, promises, checks, automation.

The same object comes over HTTP and lies in the store; this is its only reader. It says everything that is wrong at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import TypeVar

from tocsin.errors import Invalid, Violation
from tocsin.expressions.durations import parse_duration
from tocsin.schedules import CalendarInvalid, Exclusions, TimetableInvalid, parse_timetable, read_ics
from tocsin.schedules.zones import zone
from tocsin.signals import Json
from tocsin_lineage.domain import mappings
from tocsin_lineage.domain.automation import PRESETS, Both, Condition, Either, Negated, Simple, Tick, ticks_in
from tocsin_lineage.domain.checks import CHECKS_LIMIT, CheckPolicy, Grade
from tocsin_lineage.domain.freshness import Deadline, EachPartition, MaximumLag, Promise
from tocsin_lineage.domain.partitions import PAIR, Fixed, Growing, Pairs, Partitions, Single, Windows, is_interval

UPSTREAM_LIMIT = 200
DEPTH_LIMIT = 8  # of nested conditions
_WEEKDAYS = {str(number): number - 1 for number in range(1, 8)}  # ISO: 1 is Monday
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
T = TypeVar("T")


class PolicyInvalid(Invalid):
    """What is declared about the asset makes no sense."""

    code = "lineage.invalid_declaration"


@dataclass(frozen=True, slots=True)
class MadeOf:
    """An asset that this one is made of, in the same namespace, and how the partitions correspond."""

    key: str
    mapping: mappings.Mapping = mappings.Same()  # noqa: RUF009  # frozen, without fields


@dataclass(frozen=True, slots=True)
class Maker:
    """The workflow that makes it, and the input that all its runs get; ``partition`` and its window are added."""

    workflow: str
    version: str | None = None
    input: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything declared about an asset.

    Attributes:
        document: As it was said.
        partitions: Its partitions.
        upstream: What it is made of.
        promise: About its freshness.
        checks: Its checks by name.
        maker: What makes it.
        automation: When to start that.
    """

    document: Mapping[str, Json] = field(default_factory=dict)
    partitions: Partitions = None
    upstream: tuple[MadeOf, ...] = ()
    promise: Promise | None = None
    checks: Mapping[str, CheckPolicy] = field(default_factory=dict)
    maker: Maker | None = None
    automation: Condition | None = None


PARTS = ("partitions", "upstream", "freshness", "checks", "maker", "automation")


def read_policy(document: Mapping[str, Json]) -> Policy:
    """Understand a declaration.

    Raises:
        PolicyInvalid: With every reason.
    """
    reader = _Reader([])
    document = {name: document[name] for name in PARTS if document.get(name) is not None}
    policy = Policy(
        document=document,
        partitions=reader.part(document, "partitions", reader.partitions, None),
        upstream=reader.part(document, "upstream", reader.upstream, ()),
        promise=reader.part(document, "freshness", reader.promise, None),
        checks=reader.part(document, "checks", reader.checks, {}),
        maker=reader.part(document, "maker", reader.maker, None),
        automation=reader.part(document, "automation", reader.automation, None),
    )
    if isinstance(policy.promise, EachPartition):
        if policy.partitions is None:
            reader.wrong("/freshness/each_partition", "the asset has no partitions", "Declare `partitions`.")
        elif isinstance(policy.partitions, Pairs) and all(
            isinstance(one, Windows) for one in (policy.partitions.first, policy.partitions.second)
        ):
            reader.wrong("/freshness/each_partition", "it is not clear which of the two dimensions of time counts")
    if policy.automation is not None and policy.maker is None:
        reader.wrong("/automation", "it is not said what to start", "Declare `maker` with a workflow.")
    if reader.violations:
        first = reader.violations[0]
        raise PolicyInvalid(f"{first.pointer} {first.detail}", hint=first.hint, violations=reader.violations)
    return policy


class _Unreadable(Exception):
    """A part cannot be understood; noted already."""


class _Reader:
    """Reads parts and notes what is wrong with them."""

    def __init__(self, violations: list[Violation]) -> None:
        self.violations = violations

    def part(self, document: Mapping[str, Json], name: str, read: Callable[[Json, str], T], default: T) -> T:
        if name not in document:
            return default
        try:
            return read(document[name], f"/{name}")
        except _Unreadable:
            return default

    def wrong(self, pointer: str, detail: str, hint: str | None = None) -> _Unreadable:
        self.violations.append(Violation(pointer, detail, hint))
        return _Unreadable(detail)

    def partitions(self, value: Json, at: str) -> Partitions:
        found = self._object(value, at)
        if "first" in found or "second" in found:
            self._known(found, at, "first", "second")
            return Pairs(self._single(found.get("first"), f"{at}/first"), self._single(found.get("second"), f"{at}/second"))
        return self._single(value, at)

    def _single(self, value: Json, at: str) -> Single:
        found = self._object(value, at)
        if "every" in found:
            self._known(found, at, "every", "zone", "start", "end")
            place = self._zone(found, at)
            every = self._timetable(found["every"], place, f"{at}/every")
            start = self._instant(found.get("start"), f"{at}/start", place)
            end = self._instant(found["end"], f"{at}/end", place) if found.get("end") is not None else None
            return Windows(every, place, start, end)
        if "keys" in found:
            self._known(found, at, "keys")
            keys = found["keys"]
            if not isinstance(keys, list) or not keys or not all(isinstance(k, str) and k and PAIR not in k for k in keys):
                raise self.wrong(f"{at}/keys", f"must be a list of names without '{PAIR}'")
            return Fixed(tuple(dict.fromkeys(str(key) for key in keys)))
        if found.get("dynamic") is True:
            self._known(found, at, "dynamic")
            return Growing()
        raise self.wrong(at, "says neither `every`, `keys` nor `dynamic`")

    def upstream(self, value: Json, at: str) -> tuple[MadeOf, ...]:
        if not isinstance(value, list) or len(value) > UPSTREAM_LIMIT:
            raise self.wrong(at, f"must be a list of at most {UPSTREAM_LIMIT}")
        return tuple(self._made_of(item, f"{at}/{number}") for number, item in enumerate(value))

    def _made_of(self, value: Json, at: str) -> MadeOf:
        if isinstance(value, str) and value:
            return MadeOf(value)
        found = self._object(value, at)
        self._known(found, at, "asset", "mapping")
        key = self._text(found.get("asset"), f"{at}/asset")
        return MadeOf(key, self._mapping(found.get("mapping", "same"), f"{at}/mapping"))

    def _mapping(self, value: Json, at: str) -> mappings.Mapping:
        match value:
            case "same":
                return mappings.Same()
            case "all":
                return mappings.Everything()
            case {"last": int(count), **rest} if 0 < count <= mappings.MAPPED_LIMIT and not rest:
                return mappings.Newest(count)
            case {"shift": [int(first), int(last)], **rest} if not rest and first <= last and max(-first, last) <= 1000:
                return mappings.Shifted(first, last)
            case {"side": "first" | "second" as side, **rest} if not rest:
                return mappings.OneSide(mappings.Side(side))
            case _:
                hint = 'One of "same", "all", {"last": 3}, {"shift": [-1, 0]}, {"side": "first"}.'
                raise self.wrong(at, "is no mapping", hint)

    def promise(self, value: Json, at: str) -> Promise:
        found = self._object(value, at)
        warn = self._span(found["warn"], f"{at}/warn") if found.get("warn") is not None else None
        if "deadline" in found:
            self._known(found, at, "deadline", "zone", "within", "warn", "exclude")
            place = self._zone(found, at)
            cron = self._timetable(found["deadline"], place, f"{at}/deadline")
            days = self._exclusions(found["exclude"], f"{at}/exclude") if found.get("exclude") is not None else Exclusions()
            return Deadline(cron, place, self._span(found.get("within", "P1D"), f"{at}/within"), warn, days)
        for name, kind in (("maximum_lag", MaximumLag), ("each_partition", EachPartition)):
            if name in found:
                self._known(found, at, name, "warn")
                fail = self._span(found[name], f"{at}/{name}")
                if warn is not None and warn >= fail:
                    raise self.wrong(f"{at}/warn", f"comes after `{name}`", "A warning comes first.")
                return kind(fail, warn)
        raise self.wrong(at, "says neither `maximum_lag`, `deadline` nor `each_partition`")

    def _exclusions(self, value: Json, at: str) -> Exclusions:
        found = self._object(value, at)
        self._known(found, at, "weekdays", "dates", "yearly", "ics")
        try:
            listed = {name: found.get(name) or [] for name in ("weekdays", "dates", "yearly")}
            weekdays, dates, yearly = (part if isinstance(part, list) else [None] for part in listed.values())
            days = Exclusions(
                frozenset(date.fromisoformat(str(one)) for one in dates),
                frozenset((date.fromisoformat(f"2000-{one}").month, date.fromisoformat(f"2000-{one}").day) for one in yearly),
                frozenset(_WEEKDAYS[str(one)] for one in weekdays),
            )
            if isinstance(ics := found.get("ics"), str):
                days |= read_ics(ics)
        except (ValueError, KeyError):
            hint = '{"weekdays": [6, 7], "dates": ["2026-12-24"], "yearly": ["12-25"], "ics": "BEGIN:VCALENDAR ..."}'
            raise self.wrong(at, "has something that is no day", hint) from None
        except CalendarInvalid as error:
            raise self.wrong(f"{at}/ics", error.detail, error.hint) from error
        if len(days.weekdays) == len(_WEEKDAYS):
            raise self.wrong(f"{at}/weekdays", "leaves no day", "Leave the promise out instead.")
        return days

    def checks(self, value: Json, at: str) -> dict[str, CheckPolicy]:
        found = self._object(value, at)
        if len(found) > CHECKS_LIMIT:
            raise self.wrong(at, f"has {len(found)} checks; the limit is {CHECKS_LIMIT}")
        return {name: self._check(one, f"{at}/{name}") for name, one in found.items()}

    def _check(self, value: Json, at: str) -> CheckPolicy:
        found = self._object(value, at)
        self._known(found, at, "severity", "blocking", "description")
        if not isinstance(found.get("blocking", False), bool):
            raise self.wrong(f"{at}/blocking", "must be true or false")
        try:
            severity = Grade(found.get("severity", "error"))
        except ValueError:
            raise self.wrong(f"{at}/severity", "must be warn or error") from None
        return CheckPolicy(severity, found.get("blocking") is True, self._text(found.get("description", ""), at))

    def maker(self, value: Json, at: str) -> Maker:
        found = self._object(value, at)
        self._known(found, at, "workflow", "version", "input")
        given = self._object(found.get("input", {}), f"{at}/input")
        version = found.get("version")
        return Maker(self._text(found.get("workflow"), f"{at}/workflow"), str(version) if version else None, given)

    def automation(self, value: Json, at: str) -> Condition:
        found = self._object(value, at)
        self._known(found, at, "when")
        condition = self._condition(found.get("when"), f"{at}/when", 0)
        if len(ticks_in(condition)) > 1:
            raise self.wrong(f"{at}/when", "has more than one cron pattern", "One pattern can name several times.")
        return condition

    def _condition(self, value: Json, at: str, depth: int) -> Condition:
        if depth > DEPTH_LIMIT:
            raise self.wrong(at, f"is nested deeper than {DEPTH_LIMIT}")
        match value:
            case str() if value in PRESETS:
                return PRESETS[value]
            case str() if value in {one.value for one in Simple}:
                return Simple(value)
            case {"cron": cron}:
                self._known(self._object(value, at), at, "cron", "zone")
                place = self._zone(self._object(value, at), at)
                return Tick(self._timetable(cron, place, f"{at}/cron"), place)
            case {"all": [_, *_] as parts}:
                return Both(tuple(self._condition(one, f"{at}/all/{n}", depth + 1) for n, one in enumerate(parts)))
            case {"any": [_, *_] as parts}:
                return Either(tuple(self._condition(one, f"{at}/any/{n}", depth + 1) for n, one in enumerate(parts)))
            case {"not": part}:
                return Negated(self._condition(part, f"{at}/not", depth + 1))
            case _:
                names = ", ".join([*PRESETS, *(one.value for one in Simple)])
                raise self.wrong(at, "is no condition", f'One of {names}, {{"cron": ...}}, {{"all": [...]}}, any, not.')

    def _object(self, value: Json, at: str) -> Mapping[str, Json]:
        if not isinstance(value, dict):
            raise self.wrong(at, "must be an object")
        return value

    def _known(self, found: Mapping[str, Json], at: str, *names: str) -> None:
        """Refuse members that nobody reads: a promise with a slip of the pen would be another promise."""
        for name in found:
            if name not in names:
                close = get_close_matches(name, names, n=1)
                hint = f"Did you mean `{close[0]}`?" if close else f"Possible here: {', '.join(names)}."
                raise self.wrong(f"{at}/{name}", "is not known here", hint)

    def _zone(self, found: Mapping[str, Json], at: str) -> str:
        name = self._text(found.get("zone", "UTC"), f"{at}/zone")
        try:
            zone(name)
        except TimetableInvalid as error:
            raise self.wrong(f"{at}/zone", error.detail, error.hint) from error
        return name

    def _text(self, value: Json, at: str) -> str:
        if not isinstance(value, str):
            raise self.wrong(at, "must be a string")
        return value

    def _timetable(self, value: Json, place: str, at: str) -> str:
        text = self._text(value, at)
        try:
            parse_timetable(text, place)
        except TimetableInvalid as error:
            raise self.wrong(at, error.detail, error.hint) from error
        if not is_interval(text):
            raise self.wrong(at, "must be a cron pattern or an ISO 8601 duration")
        return text

    def _instant(self, value: Json, at: str, place: str) -> datetime:
        try:
            found = datetime.fromisoformat(self._text(value, at))
            instant = (found if found.tzinfo else found.replace(tzinfo=zone(place))).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.wrong(at, "must be an ISO 8601 date or instant") from None
        if not _EARLIEST <= instant <= _LATEST:
            raise self.wrong(at, "is out of reach", "Name a year from 1900 to 2999.")
        return instant

    def _span(self, value: Json, at: str) -> timedelta:
        try:
            found = parse_duration(value)
        except Invalid as error:
            raise self.wrong(at, error.detail, error.hint) from error
        if found <= timedelta(0):
            raise self.wrong(at, "must be longer than nothing")
        return found
