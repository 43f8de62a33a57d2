"""Walks a document along the grammar and says everything that is wrong, with positions.

It never stops at the first mistake and never raises: a person fixes a file in one go. What a runtime does not offer (yet) is
not its business; that is the executor's answer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from tocsin.definitions.calls import CALLS, OWN_CALLS
from tocsin.definitions.grammar import KINDS, RULES, TASK
from tocsin.definitions.limits import MOST_EXPRESSIONS, MOST_TASKS
from tocsin.definitions.oddities import odd_members, odd_text
from tocsin.definitions.reading import Mark, Value
from tocsin.definitions.scope import VARIABLES, Scope, declaring
from tocsin.definitions.shapes import (
    Condition,
    Data,
    Duration,
    Either,
    Flag,
    Items,
    Named,
    Record,
    Reference,
    Rule,
    Shape,
    Strict,
    Table,
    Target,
    Task,
    Tasks,
    Text,
    Variable,
    Verbatim,
    Whole,
)
from tocsin.definitions.wording import DIRECTIVES, article, fits, kind_of, known_names, nearest, token
from tocsin.errors import Violation
from tocsin.expressions import ExpressionInvalid, compile_condition, compile_expression, expression_text
from tocsin.expressions.durations import DurationInvalid, parse_duration

_MOST_VIOLATIONS = 100  # a person reads the first few; a wrong file can have as many as it has lines
_CATALOGED = re.compile(r"[^:@\s]+:[^:@\s]+@(?P<catalog>[^:@\s]+)")


@dataclass(slots=True)
class Check:
    """One document being checked.

    Attributes:
        marks: Where each pointer stands.
        use: The names in each section of ``use``.
        evaluates: Whether expressions are jq, and so can be compiled here.
        loose: Whether any value may be an expression, and what does not evaluate is text.
        elsewhere: Where tasks are, by name, for whoever names one of another list.
        slips: What is right and most likely not what was meant.
    """

    marks: Mapping[str, Mark]
    use: Mapping[str, frozenset[str]]
    evaluates: bool
    loose: bool = False
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    slips: list[Violation] = field(default_factory=list)
    expressions: int = 0

    def report(self, pointer: str, detail: str, hint: str | None = None, *, at: tuple[int, int] | None = None) -> None:
        """Add a violation; its position is the pointer's, or the nearest enclosing one that is known."""
        self._note(self.violations, pointer, detail, hint, at)

    def warn(self, pointer: str, detail: str, hint: str | None = None) -> None:
        """Add a slip."""
        self._note(self.slips, pointer, detail, hint, None)

    def _note(self, found: list[Violation], pointer: str, detail: str, hint: str | None, at: tuple[int, int] | None) -> None:
        if len(found) >= _MOST_VIOLATIONS:
            return
        place = pointer
        while place and place not in self.marks:
            place = place.rpartition("/")[0]
        mark = self.marks.get(place)
        line, column = at or ((mark.line, mark.column) if mark else (1, 1))
        found.append(Violation(pointer, detail, hint, line, column))

    def walk(self, shape: Shape, value: Value, pointer: str, scope: Scope) -> None:
        """Check a value against a shape."""
        match shape:
            case Rule("iterator"):
                self._iterator(value, pointer, scope)
            case Rule(name):
                self.walk(RULES[name], value, pointer, scope)
            case Verbatim():
                pass
            case Data():
                self._data(value, pointer, scope)
            case Either(shapes):
                self._either(shapes, value, pointer, scope)
            case Record():
                self._record(shape, value, pointer, scope)
            case Table(member, least):
                self._table(member, least, value, pointer, scope)
            case Items(item, least):
                for index, held in enumerate(self._list(value, pointer, least)):
                    self.walk(item, held, f"{pointer}/{index}", scope)
            case Named(member, least):
                for _, held, place in self._named(value, pointer, least):
                    self.walk(member, held, place, scope)
            case Tasks():
                self._tasks(shape, value, pointer, scope)
            case Task():
                self._task(value, pointer, scope)
            case _:
                self._scalar(shape, value, pointer, scope)

    def _scalar(
        self,
        shape: Text | Condition | Strict | Whole | Flag | Duration | Reference | Target | Variable,
        value: Value,
        pointer: str,
        scope: Scope,
    ) -> None:
        match shape:
            case Text():
                self._text(shape, value, pointer, scope)
            case Condition() | Strict():
                self._expression(shape, value, pointer, scope)
            case Whole(least, most):
                if isinstance(value, bool) or not isinstance(value, int):
                    self.report(pointer, f"must be a whole number, not {article(value)}")
                elif (least is not None and value < least) or (most is not None and value > most):
                    self.report(pointer, f"{value} is outside {least}..{'' if most is None else most}")
            case Flag():
                if not isinstance(value, bool):
                    self.report(pointer, f"must be true or false, not {article(value)}")
            case Duration():
                self._duration(value, pointer, scope)
            case Reference(section):
                self._reference(section, value, pointer)
            case Target():
                self._target(value, pointer, scope)
            case Variable():
                self._variable(value, pointer)
            case _:
                assert_never(shape)

    def _text(self, shape: Text, value: Value, pointer: str, scope: Scope) -> None:
        if not isinstance(value, str):
            hint = "Put it in quotes." if isinstance(value, int | float | bool) else None
            self.report(pointer, f"must be a string, not {article(value)}", hint)
        elif shape.expression and expression_text(value) is not None:
            self._expression(Strict(), value, pointer, scope)
        elif shape.choices and value not in shape.choices:
            self.report(pointer, f"'{value}' is not allowed here", nearest(value, shape.choices))
        elif shape.pattern is not None and not re.fullmatch(shape.pattern, value):
            self.report(pointer, f"'{value[:80]}' is not {shape.expects}")
        elif shape.expression:
            self._plain(value, pointer)

    def _plain(self, value: str, pointer: str) -> None:
        """Text that is no expression."""
        if self.evaluates and not self.loose and (odd := odd_text(value)):
            self.warn(pointer, *odd)

    def _expression(self, shape: Condition | Strict, value: Value, pointer: str, scope: Scope) -> None:
        if not isinstance(value, str):
            self.report(pointer, f"must be an expression, not {article(value)}")
            return
        text = expression_text(value)
        if self.loose and isinstance(shape, Condition) and shape.text:
            self._count(pointer)
            return
        if text is None and isinstance(shape, Strict) and not self.loose:
            self.report(pointer, "must be an expression inside ${ }", f"Write ${{ {value[:40]} }}.")
            return
        try:
            if not self._count(pointer) or not self.evaluates:
                return
            if text is None:
                compile_condition(value, scope.variables)
            else:
                compile_expression(text, scope.variables)
            for odd, hint in odd_members(text or value):
                self.warn(pointer, odd, hint)
        except ExpressionInvalid as wrong:
            self.report(pointer, wrong.detail, wrong.hint, at=self._inside(pointer, value, wrong))

    def _variable(self, value: Value, pointer: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
            self.report(pointer, "must be the name of a variable", "Letters, digits and underscores, without '$'.")
        elif value in VARIABLES:
            self.report(pointer, f"'${value}' means something everywhere; a variable cannot be called that")

    def _count(self, pointer: str) -> bool:
        self.expressions += 1
        if self.expressions == MOST_EXPRESSIONS + 1:
            self.report(pointer, f"more than {MOST_EXPRESSIONS} expressions in one document")
        return self.expressions <= MOST_EXPRESSIONS

    def _inside(self, pointer: str, value: str, wrong: ExpressionInvalid) -> tuple[int, int] | None:
        return self.marks[pointer].inside(value, wrong.line, wrong.column) if pointer in self.marks else None

    def _duration(self, value: Value, pointer: str, scope: Scope) -> None:
        if isinstance(value, str) and expression_text(value) is not None:
            self._expression(Strict(), value, pointer, scope)
            return
        try:
            parse_duration(value)
        except DurationInvalid as wrong:
            if self.loose and isinstance(value, str):
                self._expression(Strict(), value, pointer, scope)
                return
            self.report(pointer, wrong.detail, wrong.hint)

    def _reference(self, section: str, value: Value, pointer: str) -> None:
        if not isinstance(value, str):
            self.report(pointer, f"must be the name of one of 'use.{section}', not {article(value)}")
        elif value not in self.use[section]:
            self.report(pointer, f"'{value}' is not defined in 'use.{section}'", nearest(value, self.use[section]))

    def _target(self, value: Value, pointer: str, scope: Scope) -> None:
        if not isinstance(value, str):
            self.report(pointer, f"must be a flow directive or the name of a task, not {article(value)}")
        elif value not in DIRECTIVES and value not in scope.targets:
            hint = nearest(value, scope.targets | set(DIRECTIVES))
            if place := self.elsewhere.get(value):
                hint = f"The one at {place} is at another depth; flow directives stay in their own list."
            self.report(pointer, f"there is no task '{value}' in this list", hint)

    def _data(self, value: Value, pointer: str, scope: Scope) -> None:
        if isinstance(value, str):
            if self.loose:
                self._count(pointer)
            elif expression_text(value) is not None:
                self._expression(Strict(), value, pointer, scope)
            else:
                self._plain(value, pointer)
        elif isinstance(value, dict | list):
            for key, held in value.items() if isinstance(value, dict) else enumerate(value):
                self._data(held, f"{pointer}/{token(str(key))}", scope)

    def _either(self, shapes: Sequence[Shape], value: Value, pointer: str, scope: Scope) -> None:
        for shape in shapes:
            if fits(shape, value):
                self.walk(shape, value, pointer, scope)
                return
        expected = " or ".join(dict.fromkeys(kind_of(shape) for shape in shapes))
        self.report(pointer, f"must be {expected}, not {article(value)}")

    def _record(self, shape: Record, value: Value, pointer: str, scope: Scope) -> None:
        if not isinstance(value, dict):
            self.report(pointer, f"must be an object, not {article(value)}", f"Members: {known_names(shape.members)}.")
            return
        for key, held in value.items():
            place = f"{pointer}/{token(key)}"
            if key in shape.members:
                self.walk(shape.members[key], held, place, scope)
            elif shape.open:
                self._data(held, place, scope)
            else:
                self.report(place, f"'{key}' is not known here", nearest(key, shape.members))
        for name in shape.required:
            if name not in value:
                self.report(pointer, f"'{name}' is missing")
        if len(value) < shape.least:
            self.report(pointer, "must not be empty")
        self._one_of(shape, value, pointer)

    def _one_of(self, shape: Record, value: dict[str, Value], pointer: str) -> None:
        if not shape.one_of:
            return
        given = [group for group in shape.one_of if all(name in value for name in group)]
        choices = ", ".join(" with ".join(f"'{name}'" for name in group) for group in shape.one_of)
        names = {name for group in shape.one_of for name in group} - set(shape.required)
        if not given:
            self.report(pointer, f"exactly one of {choices} is needed")
        elif len(given) > 1 or {name for name in names if name in value} - set(given[0]):
            self.report(pointer, f"only one of {choices} is allowed")

    def _table(self, member: Shape, least: int, value: Value, pointer: str, scope: Scope) -> None:
        if not isinstance(value, dict):
            self.report(pointer, f"must be an object, not {article(value)}")
            return
        if len(value) < least:
            self.report(pointer, "must not be empty")
        for key, held in value.items():
            self.walk(member, held, f"{pointer}/{token(key)}", scope)

    def _list(self, value: Value, pointer: str, least: int) -> list[Value]:
        if not isinstance(value, list):
            self.report(pointer, f"must be a list, not {article(value)}")
            return []
        if len(value) < least:
            self.report(pointer, "must not be empty")
        return value

    def _named(self, value: Value, pointer: str, least: int = 0) -> list[tuple[str, Value, str]]:
        """Name, value and pointer of each entry of a list of objects with one member."""
        found: list[tuple[str, Value, str]] = []
        for index, item in enumerate(self._list(value, pointer, least)):
            place = f"{pointer}/{index}"
            if not isinstance(item, dict):
                self.report(place, f"must be an object with one member, the name, not {article(item)}")
            elif len(item) != 1:
                names = ", ".join(f"'{name}'" for name in item) or "nothing"
                self.report(place, f"must have exactly one member, the name; found {names}", "Begin each entry with '-'.")
            else:
                ((name, held),) = item.items()
                found.append((name, held, f"{place}/{token(name)}"))
        return found

    def _tasks(self, shape: Tasks, value: Value, pointer: str, scope: Scope) -> None:
        if isinstance(value, list) and len(value) > MOST_TASKS:
            self.report(pointer, f"{len(value)} tasks in one list; at most {MOST_TASKS} are allowed")
            return
        entries = self._named(value, pointer)
        names: set[str] = set()
        for name, _, place in entries:
            if name in names:
                self.report(place, f"there is another task '{name}' in this list")
            names.add(name)
        inner = replace(scope, targets=frozenset(names) if shape.jumps else frozenset())
        for _, held, place in entries:
            self._task(held, place, inner)

    def _task(self, value: Value, pointer: str, scope: Scope) -> None:
        if not isinstance(value, dict):
            self.report(pointer, f"must be a task, not {article(value)}")
            return
        kinds = [name for name in KINDS if name in value]
        if "for" in kinds and "do" in kinds:
            kinds.remove("do")
        if len(kinds) != 1:
            said = "does nothing" if not kinds else "does several things at once: " + ", ".join(f"'{kind}'" for kind in kinds)
            candidates = [key for key in value if key not in TASK]
            hint = nearest(candidates[0], KINDS) if candidates and not kinds else f"Exactly one of {known_names(KINDS)}."
            self.report(pointer, f"the task {said}", hint)
            return
        kind = kinds[0]
        own, required = KINDS[kind]
        for name in required:
            if name not in value:
                self.report(pointer, f"a '{kind}' task needs '{name}'")
        for key, held in value.items():
            place = f"{pointer}/{token(key)}"
            if key in own:
                self._own((kind, key), own[key], value, place, scope)
            elif key in TASK:
                self.walk(TASK[key], held, place, scope)
            else:
                self.report(place, f"a '{kind}' task has no '{key}'", nearest(key, [*own, *TASK]))

    def _own(self, member: tuple[str, str], shape: Shape, task: dict[str, Value], place: str, scope: Scope) -> None:
        """A member that belongs to the kind of task; some declare variables for others."""
        key = member[1]
        match member:
            case "call", "call":
                self._call(task, place)
            case "call", "with":
                called = task["call"]
                self.walk(CALLS.get(called, shape) if isinstance(called, str) else shape, task[key], place, scope)
            case "for", "while" | "do":
                self.walk(shape, task[key], place, declaring(scope, task["for"], each="item", at="index"))
            case "try", "catch":
                self._catch(shape, task[key], place, scope)
            case _:
                self.walk(shape, task[key], place, scope)

    def _call(self, task: dict[str, Value], place: str) -> None:
        called = task["call"]
        if not isinstance(called, str):
            self.report(place, f"must be a string, not {article(called)}")
        elif called in CALLS:
            if "with" not in task:
                self.report(place.rpartition("/")[0], f"a call of '{called}' needs 'with'")
        elif "://" in called:
            pass  # a function by its address: whether it is there is known when it is fetched
        elif cataloged := _CATALOGED.fullmatch(called):
            catalog = cataloged["catalog"]
            if catalog != "default" and catalog not in self.use["catalogs"]:
                self.report(place, f"'{catalog}' is not defined in 'use.catalogs'", nearest(catalog, self.use["catalogs"]))
        elif called not in self.use["functions"] and called not in OWN_CALLS:
            self.report(
                place, f"there is no function '{called}'", nearest(called, [*self.use["functions"], *CALLS, *OWN_CALLS])
            )

    def _catch(self, shape: Shape, value: Value, place: str, scope: Scope) -> None:
        if not isinstance(value, dict) or not isinstance(shape, Record):
            self.walk(shape, value, place, scope)
            return
        caught = declaring(scope, value, **{"as": "error"})
        for key, held in value.items():
            self._record(shape, {key: held}, place, scope if key in ("errors", "as", "then") else caught)

    def _iterator(self, value: Value, pointer: str, scope: Scope) -> None:
        inner = declaring(scope, value, item="item", at="index") if isinstance(value, dict) else scope
        self.walk(RULES["iterator"], value, pointer, inner)
