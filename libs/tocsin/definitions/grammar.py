"""The Open Workflow DSL 1.0 as tables: what each part of a document may hold.

Written from the specification's text, in our own words. A new property of the language is a line here.
"""

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
    Table,
    Target,
    Task,
    Tasks,
    Text,
    Variable,
    Verbatim,
    Whole,
)

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SEMVER = (
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
_URI = r"[^\s{}]*(\{[^\s{}]+\}[^\s{}]*)*"

TEXT = Text()
PLAIN = Text(expression=False)
URI = Text(pattern=_URI, expects="a URI or a URI template (RFC 6570)")
LABEL = Text(pattern=_LABEL, expects="letters, digits and dashes, at most 63", expression=False)
SEMVER = Text(pattern=_SEMVER, expects="a semantic version such as 1.0.0", expression=False)
VERSION = Text(pattern=f"latest|{_SEMVER}", expects="'latest' or a semantic version such as 1.0.0", expression=False)
EXPRESSION_OR_DATA = Either((Condition(text=True), Table(Data())))
TEXTS = Items(TEXT)


def _authentication(inline: Record) -> Shape:
    """A scheme: configured in place, or by the secret that holds the configuration."""
    groups = inline.one_of or (inline.required,)
    members = {**inline.members, "use": Reference("secrets")}
    return Record(members, one_of=(*groups, ("use",)))


_CREDENTIALS = Record({"username": TEXT, "password": TEXT}, required=("username", "password"))
_TOKEN = Record({"token": TEXT, "type": TEXT}, required=("token", "type"))
_OAUTH2: dict[str, Shape] = {
    "authority": URI,
    "grant": Text(
        (
            "authorization_code",
            "client_credentials",
            "password",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        )
    ),
    "client": Record(
        {
            "id": TEXT,
            "secret": TEXT,
            "assertion": TEXT,
            "authentication": Text(
                ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none")
            ),
        }
    ),
    "request": Record({"encoding": Text(("application/x-www-form-urlencoded", "application/json"))}, open=True),
    "issuers": TEXTS,
    "scopes": TEXTS,
    "audiences": TEXTS,
    "username": TEXT,
    "password": TEXT,
    "subject": _TOKEN,
    "actor": _TOKEN,
}
_ENDPOINTS = Record({"token": URI, "revocation": URI, "introspection": URI}, open=True)
_SCHEMES: dict[str, Shape] = {
    "basic": _authentication(_CREDENTIALS),
    "bearer": _authentication(Record({"token": TEXT}, required=("token",))),
    "digest": _authentication(_CREDENTIALS),
    "oauth2": _authentication(Record({**_OAUTH2, "endpoints": _ENDPOINTS}, required=("authority", "grant"))),
    "oidc": _authentication(Record(_OAUTH2, required=("authority", "grant"))),
}
_EACH_SCHEME = tuple((name,) for name in _SCHEMES)
_EVENT: dict[str, Shape] = {
    "id": TEXT,
    "source": URI,
    "type": TEXT,
    "time": TEXT,
    "subject": TEXT,
    "datacontenttype": TEXT,
    "dataschema": URI,
    "data": Data(),
}
_CORRELATION = Record({"from": Condition(), "expect": TEXT}, required=("from",), open=True)
_CONSUMPTION: dict[str, Shape] = {
    "all": Items(Rule("event filter")),
    "one": Rule("event filter"),
    "any": Items(Rule("event filter")),
}
_READ = Text(("data", "envelope", "raw"))

RULES: dict[str, Shape] = {
    "authentication": Record(_SCHEMES, one_of=_EACH_SCHEME),
    "authentication or name": Either(
        (
            Reference("authentications"),
            Record({**_SCHEMES, "use": Reference("authentications")}, one_of=(*_EACH_SCHEME, ("use",))),
        )
    ),
    "endpoint": Either((URI, Record({"uri": URI, "authentication": Rule("authentication or name")}, required=("uri",)))),
    "resource": Record({"name": TEXT, "endpoint": Rule("endpoint")}, required=("endpoint",)),
    "schema": Record(
        {"format": TEXT, "document": Verbatim(), "resource": Rule("resource")}, one_of=(("document",), ("resource",))
    ),
    "input": Record({"schema": Rule("schema"), "from": EXPRESSION_OR_DATA}),
    "output": Record({"schema": Rule("schema"), "as": EXPRESSION_OR_DATA}),
    "export": Record({"schema": Rule("schema"), "as": EXPRESSION_OR_DATA}),
    "timeout": Record({"after": Duration()}, required=("after",)),
    "timeout or name": Either((Reference("timeouts"), Rule("timeout"))),
    "error": Record(
        {"type": URI, "status": Whole(), "instance": TEXT, "title": TEXT, "detail": TEXT}, required=("type", "status")
    ),
    "error filter": Record(
        {"type": TEXT, "status": Whole(), "instance": TEXT, "title": TEXT, "detail": TEXT}, open=True, least=1
    ),
    "retry": Record(
        {
            "when": Condition(),
            "exceptWhen": Condition(),
            "delay": Duration(),
            "backoff": Record(
                {"constant": Table(Data()), "linear": Table(Data()), "exponential": Table(Data())},
                one_of=(("constant",), ("linear",), ("exponential",)),
            ),
            "limit": Record(
                {"attempt": Record({"count": Whole(least=0), "duration": Duration()}), "duration": Duration()},
            ),
            "jitter": Record({"from": Duration(), "to": Duration()}, required=("from", "to")),
        }
    ),
    "event filter": Record({"with": Record(_EVENT, open=True, least=1), "correlate": Table(_CORRELATION)}, required=("with",)),
    "events": Record(
        {**_CONSUMPTION, "until": Either((Condition(), Rule("events once")))}, one_of=(("all",), ("any",), ("one",))
    ),
    "events once": Record(_CONSUMPTION, one_of=(("all",), ("any",), ("one",))),
    "iterator": Record(
        {"item": Variable(), "at": Variable(), "do": Tasks(), "output": Rule("output"), "export": Rule("export")}
    ),
    "catalog": Record({"endpoint": Rule("endpoint")}, required=("endpoint",)),
    "extension": Record(
        {
            "extend": Text(
                ("call", "composite", "emit", "for", "listen", "raise", "run", "set", "switch", "try", "wait", "all"),
                expression=False,
            ),
            "when": Condition(),
            "before": Tasks(),
            "after": Tasks(),
        },
        required=("extend",),
    ),
    "schedule": Record(
        {"every": Duration(), "cron": PLAIN, "after": Duration(), "on": Rule("events"), "read": _READ},
    ),
}

DOCUMENT = Record(
    {
        "document": Record(
            {
                "dsl": SEMVER,
                "namespace": LABEL,
                "name": LABEL,
                "version": SEMVER,
                "title": PLAIN,
                "summary": PLAIN,
                "tags": Table(Verbatim()),
                "metadata": Table(Verbatim()),
            },
            required=("dsl", "namespace", "name", "version"),
        ),
        "input": Rule("input"),
        "use": Record(
            {
                "authentications": Table(Rule("authentication")),
                "errors": Table(Rule("error")),
                "extensions": Named(Rule("extension")),
                "functions": Table(Task()),
                "retries": Table(Rule("retry")),
                "secrets": Items(PLAIN),
                "timeouts": Table(Rule("timeout")),
                "catalogs": Table(Rule("catalog")),
            }
        ),
        "do": Tasks(),
        "timeout": Rule("timeout or name"),
        "output": Rule("output"),
        "schedule": Rule("schedule"),
        "evaluate": Record({"language": PLAIN, "mode": Text(("strict", "loose"), expression=False)}),
    },
    required=("document", "do"),
)

# Members that every task may have.
TASK: dict[str, Shape] = {
    "if": Condition(),
    "input": Rule("input"),
    "output": Rule("output"),
    "export": Rule("export"),
    "timeout": Rule("timeout or name"),
    "then": Target(),
    "metadata": Table(Verbatim()),
}
_SCRIPT: dict[str, Shape] = {
    "language": TEXT,
    "code": TEXT,
    "source": Rule("resource"),
    "stdin": TEXT,
    "arguments": TEXTS,
    "environment": Table(Data()),
}
# The kinds of task: the member that decides, the members that come with it, and which of those must be there.
KINDS: dict[str, tuple[dict[str, Shape], tuple[str, ...]]] = {
    "call": ({"call": PLAIN, "with": Table(Data())}, ()),  # see calls.py
    "do": ({"do": Tasks()}, ()),
    "emit": (
        {
            "emit": Record(
                {"event": Record({"with": Record(_EVENT, required=("type",), open=True)}, open=True)}, required=("event",)
            )
        },
        (),
    ),
    "for": (
        {
            "for": Record({"each": Variable(), "in": Either((Condition(), Items(Data()))), "at": Variable()}, required=("in",)),
            "while": Condition(),
            "do": Tasks(),
        },
        ("do",),
    ),
    "fork": ({"fork": Record({"branches": Tasks(jumps=False), "compete": Flag()}, required=("branches",))}, ()),
    "listen": (
        {"listen": Record({"to": Rule("events"), "read": _READ}, required=("to",)), "foreach": Rule("iterator")},
        (),
    ),
    "raise": ({"raise": Record({"error": Either((Reference("errors"), Rule("error")))}, required=("error",))}, ()),
    "run": (
        {
            "run": Record(
                {
                    "await": Flag(),
                    "return": Text(("stdout", "stderr", "code", "all", "none"), expression=False),
                    "container": Record(
                        {
                            "image": TEXT,
                            "name": TEXT,
                            "command": TEXT,
                            "ports": Table(Data()),
                            "volumes": Table(Data()),
                            "environment": Table(Data()),
                            "stdin": TEXT,
                            "arguments": TEXTS,
                            "lifetime": Record(
                                {"cleanup": Text(("always", "never", "eventually")), "after": Duration()}, required=("cleanup",)
                            ),
                            "pullPolicy": Text(("ifNotPresent", "always", "never")),
                        },
                        required=("image",),
                    ),
                    "script": Record(_SCRIPT, required=("language",), one_of=(("code",), ("source",))),
                    "shell": Record(
                        {"command": TEXT, "stdin": TEXT, "arguments": TEXTS, "environment": Table(Data())},
                        required=("command",),
                    ),
                    "workflow": Record(
                        {"namespace": LABEL, "name": LABEL, "version": VERSION, "input": Data()},
                        required=("namespace", "name", "version"),
                    ),
                },
                one_of=(("container",), ("script",), ("shell",), ("workflow",)),
            )
        },
        (),
    ),
    "set": ({"set": Either((Table(Data(), least=1), Text()))}, ()),
    "switch": ({"switch": Named(Record({"when": Condition(), "then": Target()}, required=("then",)), least=1)}, ()),
    "try": (
        {
            "try": Tasks(),
            "catch": Record(
                {
                    "errors": Record({"with": Rule("error filter")}, open=True),
                    "as": Variable(),
                    "when": Condition(),
                    "exceptWhen": Condition(),
                    "retry": Either((Reference("retries"), Rule("retry"))),
                    "do": Tasks(),
                    "then": Target(),
                }
            ),
        },
        ("catch",),
    ),
    "wait": ({"wait": Duration()}, ()),
}
