"""The command line against a platform that answers as the API's contract says."""

import asyncio
import io
import json
import stat

import pytest
from platform_fake import run_signal, task_signal

from tocsin.cli import context


async def test_login_is_remembered_for_its_owner_only(platform, tocsin, monkeypatch):
    """The password is not stored, the tokens are, and nobody else can read them."""
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    outcome = await tocsin("login", "--url", platform.url, "--user", "admin", "--password-stdin")
    assert outcome.code == 0, outcome.err
    assert "admin" in outcome.out
    text = context.path().read_text(encoding="utf-8")
    assert "correct horse" not in text
    assert "access-1" in text
    assert stat.S_IMODE(context.path().stat().st_mode) == 0o600
    assert (await tocsin("whoami", "--json")).code == 0


async def test_a_wrong_password_says_so(platform, tocsin, monkeypatch):
    """With the exit code for refusals."""
    monkeypatch.setattr("sys.stdin", io.StringIO("wrong\n"))
    outcome = await tocsin("login", "--url", platform.url, "--user", "admin", "--password-stdin")
    assert outcome.code == 4
    assert "user or password is wrong" in outcome.err


async def test_local_login_takes_what_the_platform_left(platform, tocsin, tmp_path):
    """The administrator's password and the secrets of the example webhooks."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "admin.json").write_text(json.dumps({"url": platform.url, "user": "admin", "password": "correct horse"}))
    (data / "hooks.json").write_text(json.dumps({"default/orders": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"}))
    outcome = await tocsin("login", "--local", "--data", str(data))
    assert outcome.code == 0, outcome.err
    outcome = await tocsin("trigger", "send", "orders", "--data", '{"a": 1}')
    assert outcome.code == 0, outcome.err
    path, headers, body = platform.hooks[0]
    assert path == "/hooks/default/orders"
    assert body == b'{"a":1}'
    assert headers["webhook-signature"].startswith("v1,")
    assert "Authorization" not in headers


async def test_an_expired_token_is_renewed_once_and_remembered(logged_in, tocsin):
    """The user does not notice."""
    logged_in.valid.clear()
    assert (await tocsin("whoami")).code == 0
    assert context.load().access_token == "access-2"
    assert context.load().refresh_token == "refresh-2"


async def test_two_commands_at_once_renew_one_login_once(logged_in, tocsin):
    """A refresh token spent twice would end the login."""
    logged_in.valid.clear()
    outcomes = await asyncio.gather(*(tocsin("whoami", "--json") for _ in range(3)))
    assert [outcome.code for outcome in outcomes] == [0, 0, 0]
    assert sum(path == "/api/v1/auth/refresh" for _, path, _ in logged_in.requests) == 1


async def test_a_token_goes_to_the_platform_that_gave_it_and_to_no_other(logged_in, tocsin):
    """A mistyped or malicious URL does not get it."""
    elsewhere = logged_in.url.replace("127.0.0.1", "localhost")
    outcome = await tocsin("whoami", "--url", elsewhere)
    assert outcome.code == 4
    assert "log in" in outcome.err
    assert logged_in.requests[-1][2] is None


async def test_logout_forgets_the_tokens(logged_in, tocsin):
    """Here and at the platform."""
    assert (await tocsin("logout")).code == 0
    assert "access-1" not in context.path().read_text(encoding="utf-8")
    assert logged_in.refresh_tokens == {}
    assert (await tocsin("whoami")).code == 4


async def test_an_api_key_in_the_environment_is_used_as_it_is(platform, tocsin, monkeypatch):
    """For scripts, which do not log in."""
    platform.valid.add("tcn_key")
    monkeypatch.setenv("TOCSIN_TOKEN", "tcn_key")
    assert (await tocsin("whoami", "--url", platform.url)).code == 0


async def test_lists_follow_their_cursors(logged_in, tocsin):
    """All pages, or as many items as asked for; a table for people, an array for programs."""
    records = json.loads((await tocsin("workflow", "list", "--json")).out)
    assert [record["name"] for record in records] == ["w0", "w1", "w2", "w3", "w4"]
    assert len(json.loads((await tocsin("workflow", "list", "--json", "--limit", "3")).out)) == 3
    table = (await tocsin("workflow", "list")).out
    assert "w4" in table
    assert "version" in table


async def test_a_refused_definition_shows_where(logged_in, tocsin, tmp_path):
    """Line, column and hint of each violation."""
    file = tmp_path / "broken.yaml"
    file.write_text("broken: true\n")
    outcome = await tocsin("workflow", "apply", str(file))
    assert outcome.code == 7
    assert "7:5: there is no task `cal`" in outcome.err
    assert "did you mean `call`?" in outcome.err
    as_json = json.loads((await tocsin("workflow", "apply", str(file), "--json")).err)
    assert as_json["error"]["code"] == "invalid_definition"
    assert as_json["error"]["errors"][0]["line"] == 7


async def test_a_run_is_started_waited_for_and_shown(logged_in, tocsin):
    """Its id alone without --wait, so that a script can keep it."""
    outcome = await tocsin("run", "start", "hello", "--input", '{"name": "Ada"}', "--label", "team=a")
    assert outcome.code == 0, outcome.err
    run = outcome.out.strip()
    assert logged_in.runs[run]["input"] == {"name": "Ada"}
    assert logged_in.runs[run]["labels"] == {"team": "a"}
    outcome = await tocsin("run", "start", "hello", "--wait", "--json")
    assert json.loads(outcome.out)["output"] == {"greeting": "hello"}
    shown = json.loads((await tocsin("run", "show", run, "--json")).out)
    assert shown["tasks"][0]["name"] == "greet"
    assert "greet" in (await tocsin("run", "show", run)).out
    assert run in (await tocsin("run", "list")).out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "start", "nothing"], 5),
        (["run", "show", "01none"], 5),
        (["run", "cancel", "01done"], 6),
        (["run", "start", "hello", "--input", "{"], 7),
        (["run", "start", "hello", "-n", "NOT a namespace"], 7),
        (["run", "show", "x", "--url", "http://127.0.0.1:1"], 3),
        (["run", "show", "x", "--url", "nonsense"], 7),
        (["status"], 1),
        (["run"], 2),
        (["no-such-command"], 2),
        (["run", "start"], 2),
        (["run", "start", "hello", "--no-such-option"], 2),
    ],
)
async def test_exit_codes_say_what_happened(logged_in, tocsin, arguments, code):
    """Scripts branch on them."""
    logged_in.runs["01done"] = {"id": "01done", "status": "completed"}
    outcome = await tocsin(*arguments)
    assert outcome.code == code, outcome.err


async def test_watching_shows_each_transition_until_the_end(logged_in, tocsin):
    """On a pipe: a line each, then the tree and the outcome; signals drive it."""
    await tocsin("run", "start", "slow")
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        watching = group.create_task(tocsin("run", "watch", "01run0"))
        await logged_in.asked("/api/v1/runs/01run0", times=2)
        assert logged_in.streams[0][0] == "signals.default.*.*.01run0"
        logged_in.push(1, task_signal("completed", "/do/0/greet", 1))
        logged_in.push(2, task_signal("started", "/do/1/part", 1.5))
        logged_in.push(3, task_signal("faulted", "/do/1/part", 2, error={"type": "t", "status": 500, "title": "broke"}))
        logged_in.push(4, run_signal("faulted", 2))
        logged_in.runs["01run0"] |= {"status": "faulted", "error": {"type": "t", "status": 500, "title": "broke"}}
    outcome = watching.result()
    assert outcome.code == 1
    shown = [line.split()[1] for line in outcome.out.splitlines()[:4]]
    assert shown == ["task.completed", "task.started", "task.faulted", "run.faulted"]
    assert "broke" in outcome.out


async def test_a_watch_survives_a_broken_stream(logged_in, tocsin):
    """It goes on behind the last signal, and looks at the run again."""
    await tocsin("run", "start", "slow")
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        watching = group.create_task(tocsin("run", "watch", "01run0", "--json"))
        await logged_in.asked("/api/v1/runs/01run0", times=2)
        logged_in.push(7, task_signal("completed", "/do/0/greet", 1))
        logged_in.cut()
        await logged_in.opened.wait()
        assert logged_in.streams[0][1] == "7"
        logged_in.runs["01run0"]["status"] = "completed"
        logged_in.push(8, run_signal("completed", 2))
    outcome = watching.result()
    assert outcome.code == 0
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert lines[-1]["status"] == "completed"


async def test_a_watch_without_a_stream_asks_instead(logged_in, tocsin):
    """A platform without the observer still shows runs."""
    logged_in.streaming = False
    await tocsin("run", "start", "slow")
    logged_in.runs["01run0"]["status"] = "completed"
    assert (await tocsin("run", "watch", "01run0")).code == 0


async def test_signals_are_tailed_until_enough_were_seen(logged_in, tocsin):
    """One line each; whole events with --json."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        tailing = group.create_task(tocsin("signal", "tail", "--count", "1", "--json", "--filter", "signals.>"))
        await logged_in.opened.wait()
        assert logged_in.streams[0][0] == "signals.>"
        logged_in.push(1, run_signal("started", 0))
    assert json.loads(tailing.result().out)["type"] == "io.serverlessworkflow.workflow.started.v1"


async def test_an_event_is_published_as_a_cloud_event(logged_in, tocsin):
    """In the namespace that was asked for."""
    arguments = [
        "event",
        "publish",
        "com.example.order",
        "--data",
        '{"n": 1}',
        "-n",
        "team-a",
        "--id",
        "e1",
        "--ext",
        "region=eu",
    ]
    assert (await tocsin(*arguments)).code == 0
    namespace, content_type, event = logged_in.published[0]
    assert (namespace, content_type) == ("team-a", "application/cloudevents+json")
    assert event["id"] == "e1"
    assert event["data"] == {"n": 1}
    assert event["region"] == "eu"


async def test_a_new_webhooks_secret_is_kept_for_sending(logged_in, tocsin, tmp_path):
    """Shown once by the platform; `trigger send` then knows it."""
    file = tmp_path / "trigger.yaml"
    file.write_text("name: orders\nkind: webhook\nworkflow: hello\n---\nname: more\nnamespace: team-a\nkind: webhook\n")
    outcome = await tocsin("trigger", "apply", str(file))
    assert outcome.code == 0, outcome.err
    assert logged_in.triggers[("default", "orders")] == {"kind": "webhook", "workflow": "hello"}
    assert ("team-a", "more") in logged_in.triggers
    assert (await tocsin("trigger", "send", "orders")).code == 0
    assert (await tocsin("trigger", "send", "team-a/more")).code == 0
    assert (await tocsin("trigger", "send", "unknown")).code == 5


async def test_exec_prints_one_object_with_everything(logged_in, tocsin, tmp_path):
    """Status, output, error, and the tasks with their times."""
    file = tmp_path / "hello.yaml"
    file.write_text("document: {}\n")
    outcome = await tocsin("run", "exec", str(file), "--input", "{}", "--json")
    assert outcome.code == 0, outcome.err
    result = json.loads(outcome.out)
    assert {name: result[name] for name in ("status", "output", "error")} == {
        "status": "completed",
        "output": {"greeting": "hello"},
        "error": None,
    }
    assert result["tasks"] == [
        {
            "name": "greet",
            "reference": "/do/0/greet",
            "status": "completed",
            "startedAt": "2026-07-01T12:00:00+00:00",
            "endedAt": "2026-07-01T12:00:00.012000+00:00",
        }
    ]


async def test_a_broken_file_of_the_login_is_named(tocsin):
    """It is not silently replaced."""
    context.path().parent.mkdir()
    context.path().write_text("not = [toml")
    outcome = await tocsin("whoami")
    assert outcome.code == 7
    assert str(context.path()) in outcome.err
