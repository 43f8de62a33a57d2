"""Everything that is wrong with a definition is said, once, at the right place, with what to do about it."""

import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.definitions import DefinitionInvalid, load, parse, validate

HEAD = "document: {dsl: '1.0.3', namespace: n, name: w, version: '1.0.0'}\n"
ROOT = pathlib.Path(__file__).parents[3]


def judged(body: str) -> list[tuple[int | None, str, str | None]]:
    return [(v.line, v.detail, v.hint) for v in validate(parse(HEAD + body, "w.yaml"))]


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_our_examples_are_valid(path: pathlib.Path) -> None:
    """A newcomer's first file is not refused."""
    definition = load(path.read_bytes(), path.name)
    assert definition.name == path.stem
    assert (ROOT / "examples" / "inputs" / f"{path.stem}.json").is_file()


@pytest.mark.parametrize(
    ("body", "line", "says", "hint"),
    [
        ("do:\n  - a: {sett: {x: 1}}\n", 3, "does nothing", "Did you mean 'set'?"),
        ("do:\n  - a: {set: {x: 1}, wait: PT1S}\n", 3, "several things", None),
        ("do:\n  - a: {set: {x: 1}, thn: b}\n", 3, "'set' task has no 'thn'", "Did you mean 'then'?"),
        ("do:\n  - a: {set: {x: 1}, then: c}\n  - b: {set: {x: 1}}\n", 3, "no task 'c'", None),
        ("do:\n  - a: {set: {x: 1}}\n  - a: {set: {x: 1}}\n", 4, "another task 'a'", None),
        ("do:\n  - a: {set: {x: 1}, then: end}\n  - end: {set: {x: 1}}\n", 4, "'end' is never reached", None),
        ("schedule: {every: PT1H, read: data}\ndo: [{a: {set: {x: 1}}}]\n", 2, "without 'on' there are none", None),
        ("schedule: {}\ndo: [{a: {set: {x: 1}}}]\n", 2, "one of 'every', 'cron', 'after', 'on' is needed", None),
        ("do: [{a: {call: aproval}}]\n", 2, "no function 'aproval'", "Did you mean 'approval'?"),
        ("do:\n  - a: {wait: 5 seconds}\n", 3, "ISO 8601", None),
        ("do:\n  - a: {wait: {second: 5}}\n", 3, "not a part of a duration", None),
        ("do:\n  - a: {try: [{b: {wait: PT1S}}]}\n", 3, "needs 'catch'", None),
        ("do:\n  - a: {for: {in: .x}}\n", 3, "needs 'do'", None),
        ("do:\n  - a: {call: http}\n", 3, "needs 'with'", None),
        ("do:\n  - a: {call: http, with: {method: get}}\n", 3, "'endpoint' is missing", None),
        ("do:\n  - a: {call: http, with: {method: get, endpoint: 'http://a b/'}}\n", 3, "URI", None),
        ("do:\n  - a: {call: log}\n", 3, "no function 'log'", None),
        ("do:\n  - a: {call: 'log:1@cat'}\n", 3, "use.catalogs", None),
        ("do:\n  - a: {raise: {error: oops}}\n", 3, "use.errors", None),
        ("use: {retries: {over: {}}}\ndo:\n  - a: {try: [], catch: {retry: ove}}\n", 4, "use.retries", "Did you mean 'over'?"),
        ("do:\n  - a: {set: {x: 1}, timeout: short}\n", 3, "use.timeouts", None),
        ("do:\n  - a: {run: {shell: {command: ls}, script: {language: js, code: x}}}\n", 3, "only one of", None),
        ("do:\n  - a: {run: {}}\n", 3, "exactly one of", None),
        ("do:\n  - a: {switch: []}\n", 3, "empty", None),
        ("do:\n  - a: {fork: {compete: maybe, branches: []}}\n", 3, "true or false", None),
        ("do:\n  - a: {listen: {to: {any: [], all: []}}}\n", 3, "only one of", None),
        ("do:\n  - a: {listen: {to: {}, read: datum}}\n", 3, "exactly one of", None),
        ("do: {a: {set: {x: 1}}}\n", 2, "must be a list", None),
        ("do:\n  - a: {set: {x: 1}}\nretries: {}\n", 4, "'retries' is not known here", None),
        ("do:\n  - a: {if: .x ==, set: {x: 1}}\n", 3, "unexpected end of file", None),
        ("do:\n  - a: {set: {x: '${ $contxt.y }'}}\n", 3, "'$contxt' is not a variable", "Did you mean '$context'?"),
        ("do:\n  - a: {set: {x: '${ env.HOME }'}}\n", 3, "'env'", None),
    ],
)  # fmt: skip
def test_a_mistake_is_named(body: str, line: int, says: str, hint: str | None) -> None:
    """Line, sentence and hint."""
    found = judged(body)
    assert any(at == line and says in detail and (hint is None or hinted == hint) for at, detail, hinted in found), found


def test_a_version_that_is_a_number_is_hinted_at() -> None:
    """The classic: ``dsl: 1.0``."""
    found = validate(parse("document: {dsl: 1.0, namespace: n, name: w, version: 2}\ndo: []\n", "w"))
    assert [(v.pointer, v.hint) for v in found] == [
        ("/document/dsl", "Put it in quotes."),
        ("/document/version", "Put it in quotes."),
    ]


def test_positions_point_into_expressions() -> None:
    """Plain, quoted and block scalars: the column is the mistake's, not the key's."""
    body = (
        'do:\n  - a:\n      set:\n        x: "${ .a + }"\n        y: |\n          ${\n            .b |\n            foo(1) }\n'
    )
    positions = [(v.line, v.column) for v in validate(parse(HEAD + body, "w"))]
    assert positions == [(5, 20), (9, 13)]


def test_all_mistakes_are_reported_in_one_go() -> None:
    """In the order of the text."""
    found = judged("do:\n  - a: {wait: x}\n  - b: {wait: y}\n  - c: {then: z, wait: PT1S}\n")
    assert [line for line, _, _ in found] == [3, 4, 5]


def test_variables_are_known_where_they_are_declared() -> None:
    """Loop variables inside the loop, the error inside its catch, nowhere else."""
    body = "do: [{b: {set: {x: '${ $pet.n + $i }'}}}]"
    loop = f"do:\n  - a: {{for: {{each: pet, in: .pets, at: i}}, while: $pet != null, {body}}}\n"
    assert judged(loop) == []
    assert "'$pet' is not a variable here" in judged(loop + "  - c: {set: {x: '${ $pet }'}}\n")[0][1]
    caught = (
        "do:\n  - a: {try: [{b: {wait: PT1S}}], catch: {as: e, when: $e.status == 503, do: [{c: {set: {x: '${ $e }'}}}]}}\n"
    )
    assert judged(caught) == []
    assert judged("do:\n  - a: {try: [{b: {wait: PT1S}}], catch: {when: $error.status == 503}}\n") == []


def test_data_is_not_mistaken_for_expressions() -> None:
    """Only a whole string in ``${ }`` is one; schemas and metadata are never looked at."""
    body = "input: {schema: {document: {const: '${ nonsense( }'}}}\n"
    body += "do:\n  - a: {set: {x: 'a ${ b', y: '$c'}, metadata: {m: '${ ) }'}}\n"
    assert judged(body) == []


def test_branches_cannot_be_jumped_between() -> None:
    """Each branch of a fork is a scope of its own."""
    found = judged("do:\n  - a: {fork: {branches: [{b: {set: {x: 1}, then: c}}, {c: {set: {x: 1}}}]}}\n")
    assert ["no task 'c'" in detail for _, detail, _ in found] == [True]


def test_reusable_components_resolve() -> None:
    """Functions, errors, retries, timeouts, authentications, secrets and catalogs by name."""
    body = """
use:
  secrets: [key]
  functions: {greet: {set: {x: '${ .name }'}}}
  errors: {bad: {type: 'https://example.com/bad', status: 400}}
  retries: {often: {delay: PT1S, when: $error.status == 503}}
  timeouts: {short: {after: PT1S}}
  authentications: {login: {basic: {use: key}}}
  catalogs: {ours: {endpoint: https://example.com/catalog}}
timeout: short
do:
  - a: {call: greet, with: {name: x}, timeout: short}
  - b: {call: 'log:1.0.0@ours'}
  - c: {call: http, with: {method: get, endpoint: {uri: 'https://example.com', authentication: {use: login}}}}
  - d: {try: [{e: {raise: {error: bad}}}], catch: {retry: often}}
"""
    assert judged(body) == []
    assert "use.secrets" in judged(body.replace("{use: key}", "{use: keys}"))[0][1]


def test_secrets_are_declared_before_they_are_used() -> None:
    """A typing mistake in a name is found at its place, before anything runs."""
    body = "use: {secrets: [token]}\ndo:\n  - a: {run: {shell: {command: x, environment: {T: '${ $secrets.tokn }'}}}}\n"
    assert judged(body) == [(4, "the secret 'tokn' is not declared in 'use.secrets'", "Did you mean 'token'?")]
    assert judged(body.replace("tokn", "token")) == []
    assert judged(body.replace("$secrets.tokn", '$secrets["token"]')) == []
    assert "no secret is declared" in judged(body.replace("use: {secrets: [token]}", "").replace(".tokn", "[.x]"))[0][1]


@pytest.mark.parametrize(
    ("tasks", "unreached"),
    [
        ("- a: {set: {x: 1}, then: end}\n  - b: {set: {x: 1}}", "b"),
        ("- a: {set: {x: 1}, then: c}\n  - b: {set: {x: 1}}\n  - c: {set: {x: 1}}", "b"),
        ("- a: {switch: [{x: {when: .y, then: c}}, {z: {then: end}}]}\n  - b: {set: {x: 1}}\n  - c: {set: {x: 1}}", "b"),
        ("- a: {switch: [{x: {when: .y, then: c}}]}\n  - b: {set: {x: 1}}\n  - c: {set: {x: 1}}", None),
        ("- a: {if: .x, set: {x: 1}, then: end}\n  - b: {set: {x: 1}}", None),
        ("- a: {set: {x: 1}, then: c}\n  - b: {set: {x: 1}, then: exit}\n  - c: {set: {x: 1}, then: b}", None),
    ],
)
def test_a_task_that_is_never_reached_is_a_mistake(tasks: str, unreached: str | None) -> None:
    """Of a list: neither the one before leads to it, nor any `then`."""
    said = [detail for _, detail, _ in judged(f"do:\n  {tasks}\n")]
    assert said == ([f"the task '{unreached}' is never reached"] if unreached else [])


def test_members_that_need_each_other() -> None:
    """An agent has an address; a container that goes eventually says when."""
    body = "do:\n  - a: {call: a2a, with: {method: message/send}}\n"
    body += "  - b: {run: {container: {image: x, lifetime: {cleanup: eventually}}}}\n"
    assert [(line, detail) for line, detail, _ in judged(body)] == [
        (3, "one of 'agentCard' and 'server' is needed"),
        (4, "cleanup 'eventually' needs 'after'"),
    ]


def test_functions_that_call_each_other_for_ever_are_refused() -> None:
    """Directly or through others."""
    body = "use: {functions: {a: {do: [{x: {call: b}}]}, b: {call: a}, c: {call: a}}}\ndo:\n  - t: {call: c}\n"
    assert [detail for _, detail, _ in judged(body)] == ["the function 'a' calls itself", "the function 'b' calls itself"]


def test_load_raises_with_every_violation() -> None:
    """For callers that want a definition or nothing."""
    with pytest.raises(DefinitionInvalid) as caught:
        load(HEAD + "do:\n  - a: {wait: x}\n  - b: {wait: y}\n", "w.yaml")
    assert len(caught.value.violations) == 2
    assert str(caught.value).startswith("w.yaml:3:")


KEYS = st.sampled_from(
    [
        "document",
        "do",
        "set",
        "for",
        "try",
        "catch",
        "call",
        "with",
        "a",
        "use",
        "if",
        "then",
        "switch",
        "listen",
        "to",
        "until",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.sampled_from(["http", "${ .a }", "${ )", "PT1S", ""]),
    lambda d: st.lists(d, max_size=3) | st.dictionaries(KEYS, d, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, ANYTHING, max_size=4))
def test_validation_is_total(document: dict[str, object]) -> None:
    """Whatever the document says, it is judged, never choked on."""
    for violation in validate(parse(json.dumps(document), "x")):
        assert violation.detail
        assert violation.line is not None


def test_loose_mode_compiles_no_more_expressions_than_strict_mode() -> None:
    """Every string may be one, and each takes time."""
    many = "[" + ", ".join(f"x{number}" for number in range(2_001)) + "]"
    [(_, detail, _)] = judged(f"evaluate: {{mode: loose}}\ndo: [{{a: {{set: {{x: {many}}}}}}}]\n")
    assert detail == "more than 2000 expressions in one document"


@pytest.mark.parametrize(
    "body",
    [
        "evaluate: {mode: loose}\ndo: [{a: {set: {x: .y, z: 'some text', w: '${ .x + }'}, output: {as: Hello there}}}]\n",
        "evaluate: {mode: loose}\ndo: [{a: {wait: .delay}}]\n",
        "do: [{a: {call: http, with: {method: get, endpoint: 'http://x', query: {n: 1, l: [a, 2]}, headers: {x: 1}}}}]\n",
        "do: [{a: {run: {workflow: {namespace: n, name: w, version: 1.0.0, input: '${ . }'}}}}]\n",
        "do: [{a: {call: openapi, with: {document: {endpoint: u}, operationId: o, parameters: '${ . }'}}}]\n",
        (
            "use: {authentications: {b: {basic: {username: u, password: p}}}}\n"
            "do: [{a: {call: asyncapi, with: {document: {endpoint: u}, operation: o, message: {payload: '${ . }'}, "
            "authentication: b}}}]\n"
        ),
        "do: [{end: {set: {x: 1}}}]\n",
        "do: [{a: {call: approval, with: {title: t}}}]\n",
    ],
)
def test_what_the_reference_allows_is_accepted(body: str) -> None:
    """Where the text of the reference says more than the schema."""
    assert judged(body) == []
