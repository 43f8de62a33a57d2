"""What may be used at a place of a document: variables, and tasks to go to."""

from dataclasses import dataclass, replace

from tocsin.definitions.reading import Value

VARIABLES = frozenset({"context", "input", "output", "secrets", "authorization", "task", "workflow", "runtime"})


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be used at a place: variables, and the tasks that ``then`` may name."""

    variables: frozenset[str] = VARIABLES
    targets: frozenset[str] = frozenset()


def declaring(scope: Scope, value: Value, **defaults: str) -> Scope:
    """The scope with the variables that an object declares, by name or by default."""
    if not isinstance(value, dict):
        return scope
    names = {str(value.get(key, default)) for key, default in defaults.items()}
    return replace(scope, variables=scope.variables | names)
