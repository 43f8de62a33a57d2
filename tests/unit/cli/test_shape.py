"""The command line as a whole: its tables, its page, its start, and definitions checked without a platform."""

import json
import pathlib
import shlex
import subprocess
import sys

import pytest

from tocsin.cli.examples import EXAMPLES
from tocsin.cli.lazy import LazyGroup
from tocsin.cli.output import print_record, print_records
from tocsin.cli.reference import page
from tocsin.cli.root import command
from tocsin.cli.trigger import sign
from tocsin.errors import Invalid

ROOT = pathlib.Path(__file__).parents[3]


def commands(group, path=()):
    """All commands with their words."""
    entries = group.entries if isinstance(group, LazyGroup) else {}
    children = {name: entry.load(name) for name, entry in entries.items()}
    children |= {name: found for name, found in group.commands.items() if name not in entries}
    for name, found in children.items():
        if hasattr(found, "commands"):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


ALL = dict(commands(command()))


def test_checking_a_definition_needs_no_client():
    """It is the command that editors and hooks call all the time."""
    code = "import sys; import tocsin.cli.validate; print('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


@pytest.mark.parametrize("words", [words for words in ALL if words != ("up",)], ids=" ".join)
def test_every_command_speaks_json_and_says_what_it_does(words):
    """Programs rely on the first, people on the second."""
    found = ALL[words]
    assert any("--json" in p.opts for p in found.params), "no --json"
    assert found.help


def test_the_lists_of_commands_and_the_commands_agree():
    """A lazy table could promise what its module does not have."""
    assert {("run", "exec"), ("workflow", "validate"), ("auth", "nats-credentials"), ("schedule", "pause")} <= ALL.keys()
    assert len(ALL) > 30


def test_every_group_shows_examples_that_its_commands_take(tmp_path, monkeypatch):
    """Below the help of each group; each is a command line that parses, though nothing is run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trail.jsonl").touch()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    groups = {name for name, entry in command().entries.items() if entry.command is None}
    assert set(EXAMPLES) == groups
    for group, lines in EXAMPLES.items():
        assert command().entries[group].load(group).epilog.startswith("Examples:")
        for line in lines:
            words = shlex.split(line)
            assert words[:2] == ["tocsin", group]
            found, context = command(), None
            name, rest = words[0], words[1:]
            while hasattr(found, "resolve_command"):
                context = found.make_context(name, rest, parent=context)
                name, found, rest = found.resolve_command(context, [*context._protected_args, *context.args])
            assert found.make_context(name, rest, parent=context).params, line  # raises when it does not parse


def test_the_page_is_what_the_commands_say():
    """Generated, so it cannot lie."""
    assert (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8") == page(), "run: python -m tocsin.cli.reference"


def test_the_list_of_commands_needs_no_client_and_no_definitions():
    """What makes it slow is imported by the command that uses it."""
    code = (
        "import sys; from tocsin.cli.root import run; run(['--help']);"
        "print([m for m in ('aiohttp', 'pydantic', 'ruamel.yaml', 'jq', 'asyncio') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Workflows that start on events" in done.stdout
    assert done.stderr.strip() == "[]"


async def test_a_definition_is_checked_without_a_platform(tocsin, tmp_path):
    """File, line and column; the exit code says it too."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    head = "document:\n  dsl: '1.0.3'\n  namespace: test\n  name: x\n  version: '1.0.0'\n"
    good.write_text(head + "do:\n  - greet:\n      set:\n        a: 1\n")
    bad.write_text(head + "do:\n  - greet:\n      sett:\n        a: 1\n")
    assert (await tocsin("workflow", "validate", str(good))).code == 0
    outcome = await tocsin("workflow", "validate", str(good), str(bad))
    assert outcome.code == 7
    assert "valid" in outcome.out
    assert f"{bad}:7:" in outcome.out.replace("\n", "") or f"{bad}:8:" in outcome.out.replace("\n", "")
    result = json.loads((await tocsin("workflow", "validate", str(bad), "--json")).out)
    assert result["valid"] is False
    assert result["files"][0]["errors"][0]["line"] in {7, 8}
    assert (await tocsin("workflow", "validate", str(tmp_path / "none.yaml"))).code == 7


def test_a_webhook_is_signed_as_standard_webhooks_says():
    """The published example of the specification's reference libraries."""
    headers = sign(
        b'{"test": 2432232314}',
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        message="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    with pytest.raises(Invalid):
        sign(b"", "whsec_*", message="m", timestamp=0)


async def test_the_next_instants_need_no_platform(tocsin):
    """With the zone's offset, across the change of the clocks."""
    arguments = ["schedule", "next", "30 9 * * *", "--timezone", "Europe/Berlin", "--from", "2026-03-28T12:00:00+01:00"]
    outcome = await tocsin(*arguments, "--count", "2")
    assert outcome.out.split() == ["2026-03-29T09:30:00+02:00", "2026-03-30T09:30:00+02:00"]
    assert len(json.loads((await tocsin(*arguments, "--json")).out)["next"]) == 5
    refused = await tocsin("schedule", "next", "61 * * * *")
    assert refused.code == 7


@pytest.mark.parametrize(
    ("language", "asked", "expected"),
    [
        ("jq", {"expression": ".a + 1", "input": {"a": 1}}, {"value": 2}),
        ("jq", {"expression": "[range(3)] | add", "input": None}, {"value": 3}),
        ("cesql", {"expression": "type LIKE 'com.%'", "event": {"type": "com.x"}}, {"value": True}),
        ("cesql", {"expression": "1 / 0"}, {"value": 0, "error": "math"}),
        ("cesql", {"expression": "1 +"}, {"error": "parse"}),
        ("jq", {"expression": ".a +"}, {"error": None}),
    ],
)
def test_expressions_can_be_tried(language, asked, expected):
    """One JSON line in, one out; a failed expression has an error, and in CESQL a value too."""
    command_line = [sys.executable, "-c", "from tocsin.cli import main; main()", "expression", "eval", "--language", language]
    done = subprocess.run(command_line, input=json.dumps(asked) + "\n", capture_output=True, text=True, check=True)
    (answer,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert answer.keys() == expected.keys()
    assert answer.get("value") == expected.get("value")
    assert answer.get("error", {}).get("kind") == expected.get("error")


def test_a_batch_answers_line_by_line():
    """In order; what is wrong with one line does not stop the next."""
    lines = [
        {"expression": "0 0 * * *", "timezone": "UTC", "from": "2026-01-01T00:00:00Z", "count": 2},
        {"expression": "0 0 31 2 *", "timezone": "UTC", "from": "2026-01-01T00:00:00Z", "count": 1},
        {"expression": "0 0 * * 9", "timezone": "UTC", "from": "2026-01-01T00:00:00Z", "count": 1},
        {"expression": "PT1H", "timezone": "No/Zone", "from": "2026-01-01T00:00:00Z", "count": 1},
    ]
    given = "\n".join(map(json.dumps, lines)) + "\nnonsense\n"
    code = "from tocsin.cli import main; main()"
    command_line = [sys.executable, "-c", code, "schedule", "next", "--batch"]
    done = subprocess.run(command_line, input=given, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[0] == {"next": ["2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"]}
    assert [set(answer) for answer in answers[1:]] == [{"error"}] * 4
    assert answers[2]["error"]["position"] == 9


async def test_a_mistyped_command_is_answered_with_the_nearest(tocsin):
    """Also where commands are only known by name."""
    for words, meant in ((["runn"], "run"), (["run", "strat"], "start"), (["case", "lst"], "list")):
        done = await tocsin(*words)
        assert done.code == 2
        assert f"Did you mean '{meant}'?" in done.err


def test_small_things_are_lines_rather_than_documents(capsys):
    """What belongs to a record is read at a glance; somebody's own values stay JSON."""
    print_record({"trigger": {"kind": "webhook", "name": None}, "versions": [{"number": 1}], "input": {"a": 1}}, as_json=False)
    assert capsys.readouterr().out == 'trigger   kind=webhook\nversions  \n  number=1\ninput     \n{\n  "a": 1\n}\n'


def test_numbers_stand_below_each_other(capsys):
    """At the right of their column."""
    print_records([{"name": "a", "count": 5}, {"name": "b", "count": 1000}], ["name", "count"], as_json=False, empty="")
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == ["name  count", "a         5", "b      1000"]
