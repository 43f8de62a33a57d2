"""A hundred lines of recursive interpreter: what the language means when nothing has to be waited for.

It shares nothing with the engine but libjq. Where both give the same output, context and order of tasks for random programs,
the machinery of tokens, scopes, phases and slices adds nothing and loses nothing.
"""

from dataclasses import dataclass, field
from typing import Any

from tocsin.expressions import compile_condition, compile_template, truthy

FAIL = {"type": "https://example.com/errors/broken", "status": 500, "title": "Broken"}


class Fault(Exception):
    """An error of the workflow."""


@dataclass
class Model:
    """A run without time.

    Attributes:
        context: ``$context``.
        ran: Names of the tasks that ended, with how, in order.
    """

    context: Any = None
    ran: list[tuple[str, str]] = field(default_factory=list)

    def run(self, tasks: list[dict[str, Any]], data: Any) -> Any:
        """The output of a workflow; raises ``Fault``."""
        self.context = data
        return self.sequence(tasks, data, {})[0]

    def sequence(self, tasks: list[dict[str, Any]], value: Any, names: dict[str, Any]) -> tuple[Any, bool]:
        """A list's output, and whether ``end`` was met."""
        position = 0
        listed = [next(iter(item.items())) for item in tasks]
        index = {name: at for at, (name, _) in enumerate(listed)}
        while position < len(listed):
            name, task = listed[position]
            value, then, ended = self.task(name, task, value, names)
            if ended or then == "end":
                return value, True
            if then == "exit":
                break
            position = index[then] if then in index else position + 1
        return value, False

    def task(self, name: str, task: dict[str, Any], raw: Any, names: dict[str, Any]) -> tuple[Any, str, bool]:
        """Output, where to go, and whether the run ends."""
        if "if" in task and not truthy(self.jq(task["if"], raw, names)):
            self.ran.append((name, "skipped"))
            return raw, "continue", False
        inner = {**names, "input": raw}
        then = task.get("then", "continue")
        try:
            output, jump, ended = self.body(task, raw, inner)
            if "export" in task:
                self.context = self.jq(task["export"]["as"], output, {**inner, "output": output})
        except Fault:
            self.ran.append((name, "faulted"))
            raise
        self.ran.append((name, "completed"))
        return output, jump or then, ended

    def body(self, task: dict[str, Any], value: Any, names: dict[str, Any]) -> tuple[Any, str | None, bool]:
        """Raw output, a target that overrides ``then``, and whether the run ends."""
        scoped = {name: held for name, held in names.items() if name != "input"}
        if "set" in task:
            return self.data(task["set"], value, names), None, False
        if "call" in task:
            sent = self.data(task.get("with", {}), value, names)
            if isinstance(sent, dict) and sent.get("fail"):
                raise Fault
            return sent, None, False
        if "raise" in task:
            raise Fault
        if "for" in task:
            return self.loop(task, value, names)
        if "do" in task:
            output, ended = self.sequence(task["do"], value, scoped)
            return output, None, ended
        if "switch" in task:
            for item in task["switch"]:
                [case] = item.values()
                if "when" not in case or truthy(self.jq(case["when"], value, names)):
                    return value, case["then"], False
            return value, None, False
        if "fork" in task:
            outputs = [self.sequence([branch], value, scoped)[0] for branch in task["fork"]["branches"]]
            return outputs, None, False
        return self.attempts(task, value, scoped)

    def loop(self, task: dict[str, Any], value: Any, names: dict[str, Any]) -> tuple[Any, str | None, bool]:
        """``for``."""
        scoped = {name: held for name, held in names.items() if name != "input"}
        items = self.jq(task["for"]["in"], value, names)
        if "metadata" in task:  # several at once: each begins with its item, and the output is an array
            return (
                [self.sequence(task["do"], x, {**scoped, "item": x, "index": n})[0] for n, x in enumerate(items)],
                None,
                False,
            )
        for at, item in enumerate(items):
            inner = {**scoped, "item": item, "index": at}
            if "while" in task and not truthy(self.jq(task["while"], value, {**names, **inner})):
                break
            value, ended = self.sequence(task["do"], value, inner)
            if ended:
                return value, None, True
        return value, None, False

    def attempts(self, task: dict[str, Any], value: Any, names: dict[str, Any]) -> tuple[Any, str | None, bool]:
        """``try``."""
        catch = task["catch"]
        retries = catch.get("retry", {}).get("limit", {}).get("attempt", {}).get("count", 0)
        for _ in range(retries + 1):
            try:
                output, ended = self.sequence(task["try"], value, names)
            except Fault:
                continue
            return output, None, ended
        if "do" in catch:
            output, ended = self.sequence(catch["do"], value, {**names, "error": FAIL})
            return output, None, ended
        if "retry" in catch:
            raise Fault
        return value, None, False

    def jq(self, text: str, value: Any, names: dict[str, Any]) -> Any:
        """One expression, by libjq."""
        known = {**names, "context": self.context}
        return compile_condition(text, frozenset(known)).evaluate_anyway(value, known)

    def data(self, data: Any, value: Any, names: dict[str, Any]) -> Any:
        """Data with expressions, by libjq."""
        known = {**names, "context": self.context}
        return compile_template(data, frozenset(known)).evaluate_anyway(value, known)
