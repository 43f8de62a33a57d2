"""What is right by the language and most likely not meant is said, where it is and with what to do; and nothing else is."""

import pathlib

import pytest
from tests.conformance.documents import snippets
from tests.conformance.suites import standards

from tocsin.definitions import judged, load, parse

HEAD = "document: {dsl: '1.0.3', namespace: n, name: w, version: '1.0.0'}\n"
SECRET = "use: {secrets: [s]}\ndo:\n  - c: {call: http, with: {method: get, "
RAISED = "  - a: {raise: {error: {type: t, status: 1}}}\n  - b: {set: {x: 1}}\n"
ROOT = pathlib.Path(__file__).parents[3]
COMM = "https://serverlessworkflow.io/spec/1.0.0/errors/communication"


def slips(body: str) -> list[tuple[int | None, str, str | None]]:
    wrong, found = judged(parse(HEAD + body, "w.yaml"))
    assert wrong == []
    return [(slip.line, slip.detail, slip.hint) for slip in found]


def tried(catch: str, task: str = "{call: http, with: {method: get, endpoint: 'http://x'}}") -> str:
    return f"do:\n  - t: {{try: [{{b: {task}}}], catch: {catch}}}\n"


@pytest.mark.parametrize(
    ("body", "line", "says", "hint"),
    [
        ("do:\n  - a: {raise: {error: {type: t, status: 1}}}\n  - b: {set: {x: 1}}\n", 4, "'b' is never reached", "'if'"),
        ("do:\n  - a: {fork: {branches: [{b: {set: {x: 1}}}]}}\n", 3, "one branch", "Use 'do'"),
        ("do:\n  - a: {fork: {branches: []}}\n", 3, "no branch", None),
        ("do:\n  - s: {switch: [{a: {when: .x, then: end}}, {b: {when: ' .x', then: exit}}]}\n", 3, "'b' is never taken", None),
        ("do:\n  - l: {listen: {to: {one: {with: {type: t}}, until: .x}}}\n", 3, "ignored beside 'one'", None),
        (
            "do:\n  - c: {call: http, with: {method: gett, endpoint: 'http://x'}}\n",
            3,
            "no usual HTTP method",
            "Did you mean 'get'?",
        ),
        ("timeout: {after: PT1M}\ndo:\n  - a: {set: {x: 1}, timeout: {after: {hours: 1}}}\n", 4, "1 h never strikes", None),
        ("do:\n  - o: {timeout: {after: PT2S}, do: [{w: {wait: PT1M}}]}\n", 3, "'o' around it times out after 2 s", None),
        ("do:\n  - w: {wait: PT1M, timeout: {after: PT30S}}\n", 3, "the task itself times out after 30 s", None),
        ("use: {timeouts: {t: {after: PT1S}}}\ntimeout: t\ndo:\n  - w: {wait: P1D}\n", 5, "wait of 1 d never ends", None),
        ("do:\n  - a: {set: {x: 'Hello ${ .n }'}}\n", 3, "stays text", 'Write ${ "Hello \\(.n)" }.'),
        ("do:\n  - a: {set: {x: '$context.x'}}\n", 3, "is text here", "Write ${ $context.x }."),
        ("do:\n  - a: {if: '$workflow.inputs.x', set: {x: 1}}\n", 3, "has no 'inputs'", "Did you mean 'input'?"),
        ("do:\n  - a: {set: {x: '${ \"\\($task.nme)\" }'}}\n", 3, "has no 'nme'", "Did you mean 'name'?"),
        ("use: {secrets: [a, b]}\n" + tried("{}", "{set: '${ $input }'}"), 2, "the secret 'a' is not used", None),
        (
            "use: {authentications: {a: {basic: {username: u, password: p}}}}\ndo: []\n",
            2,
            "authentication 'a' is not used",
            None,
        ),
        ("use: {functions: {f: {set: {x: 1}}}}\ndo: []\n", 2, "function 'f' is not used", "remove"),
        ("use: {catalogs: {c: {endpoint: 'http://x'}}}\ndo: []\n", 2, "catalog 'c' is not used", None),
        ("use: {errors: {e: {type: t, status: 1}}}\ndo: []\n", 2, "error 'e' is not used", None),
        (tried("{errors: {with: {type: '" + COMM[:-2] + "'}}}"), 3, "no standard type", "Did you mean 'communication'?"),
        (tried("{errors: {with: {type: 'https://acme.com/late'}}}"), 3, "nothing that is tried raises", None),
        (tried("{errors: {with: {instance: /do/7/x}}}"), 3, "no error of what is tried is of '/do/7/x'", "/do/0/t/try/"),
        ("do:\n  - t: {try: [], catch: {}}\n", 3, "nothing is tried", None),
        (tried("{when: .a, exceptWhen: .a}"), 3, "the catch takes no error", None),
        (tried("{retry: {delay: PT1S, limit: {attempt: {count: 0}}}}"), 3, "a count of 0", None),
        (tried("{retry: {delay: PT1M, limit: {duration: PT10S}}}"), 3, "the first delay of 1 min is longer", None),
        (tried("{retry: {limit: {duration: PT1S, attempt: {duration: PT2S}}}}"), 3, "all of them together 1 s", None),
        (tried("{retry: {jitter: {from: PT2S, to: PT1S}}}"), 3, "the jitter is empty", "Swap"),
        (tried("{retry: {backoff: {linear: {}}}}"), 3, "there is none: attempts follow at once", "'delay'"),
        ("use: {retries: {r: {when: .a, exceptWhen: .a}}}\n" + tried("{retry: r}"), 2, "nothing is tried again", None),
    ],
)
def test_a_slip_is_named(body: str, line: int, says: str, hint: str | None) -> None:
    """Line, reason and suggestion."""
    found = slips(body)
    assert [slip for slip in found if slip[0] == line and says in slip[1]], found
    assert hint is None or any(hint in (slip[2] or "") for slip in found), found


@pytest.mark.parametrize(
    "body",
    [
        "do:\n  - a: {if: .x, raise: {error: {type: t, status: 1}}}\n  - b: {set: {x: 1}}\n",
        "do:\n  - s: {switch: [{a: {when: .x, then: b}}]}\n" + RAISED,
        "do:\n  - a: {run: {shell: {command: 'echo ${HOME} ${1:-x} $HOME'}}}\n",
        "do:\n  - a: {set: {x: '.n', y: '$5.00', z: 'a $context of things', e: '${ .x }'}}\n",
        "evaluate: {mode: loose}\ndo:\n  - a: {set: {x: 'Hello ${ .n }', y: $context.x}}\n",
        "do:\n  - a: {set: {x: '${ $task.definition.metadata.m + $task.metadata.m + $runtime.metadata.gateway }'}}\n",
        "do:\n  - w: {wait: PT1M, timeout: {after: PT1M}}\n",
        "do:\n  - w: {wait: '${ .x }', timeout: {after: '${ .y }'}}\n",
        tried(
            "{errors: {with: {type: 'https://acme.com/late'}}}",
            "{raise: {error: {type: 'https://acme.com/late', status: 400}}}",
        ),
        tried(
            "{errors: {with: {type: 'https://acme.com/late'}}}", "{run: {workflow: {namespace: n, name: o, version: latest}}}"
        ),
        tried("{errors: {with: {type: 'https://acme.com/late'}}}", "{raise: {error: {type: '${ .kind }', status: 400}}}"),
        tried(f"{{errors: {{with: {{type: '{COMM}', instance: /do/0/t/try/0/b, status: 503}}}}}}"),
        tried("{retry: {delay: PT1S, backoff: {exponential: {}}, jitter: {from: PT0S, to: PT1S}, limit: {duration: PT1M}}}"),
        SECRET + "endpoint: {uri: 'http://x', authentication: {basic: {use: s}}}}}\n",
        SECRET + "endpoint: 'http://x', headers: {k: '${ $secrets[.n] }'}}}\n",
        "use: {functions: {f: {set: {x: 1}}}}\ndo:\n  - a: {set: {x: 1}, metadata: {compensate: [{u: {call: f}}]}}\n",
        "use: {functions: {f: {call: g}, g: {set: {x: 1}}}}\ndo:\n  - a: {call: f}\n",
        "use: {functions: {f: {raise: {error: {type: t, status: 1}}}}}\n" + tried("{errors: {with: {type: t}}}", "{call: f}"),
        "use: {timeouts: {t: {after: PT1S}}, retries: {r: {}}}\ntimeout: t\n" + tried("{retry: r}"),
    ],
)
def test_what_may_be_meant_is_not_called_a_slip(body: str) -> None:
    """Whoever is warned of a right document stops reading warnings."""
    assert slips(body) == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_our_examples_have_no_slips(path: pathlib.Path) -> None:
    """A newcomer copies them."""
    assert load(path.read_bytes(), path.name).slips == ()


def test_the_specifications_own_documents_have_only_slips_that_are_some() -> None:
    """A secret that is not used, expressions inside text, a wait that its timeout is to end: five in 140 documents."""
    folder = standards()
    if folder is None:
        pytest.skip("the folder of standards is absent")
    found = [slip.detail for name, text in snippets(folder) for slip in load(text, name).slips]
    assert len(found) == 5
    assert sum("stays text" in detail for detail in found) == 3


def test_a_wrong_document_is_not_searched_for_slips() -> None:
    """First things first."""
    wrong, found = judged(parse(HEAD + "use: {functions: {f: {set: {x: 1}}}}\ndo:\n  - a: {call: g}\n", "w.yaml"))
    assert (len(wrong), found) == (1, [])


def test_a_task_of_another_list_is_pointed_at() -> None:
    """Flow directives stay at their own depth; who names a task elsewhere hears so, and where it is."""
    wrong, _ = judged(parse(HEAD + "do:\n  - a: {do: [{b: {set: {x: 1}}}]}\n  - c: {set: {x: 1}, then: b}\n", "w.yaml"))
    assert [violation.hint for violation in wrong] == [
        "The one at /do/0/a/do/0/b is at another depth; flow directives stay in their own list."
    ]
