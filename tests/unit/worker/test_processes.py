"""Scripts and shell commands: what they get, what they may, and that they end."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed
from tocsin_kit.testing import eventually
from unit.worker.calls_world import runners, task_of


async def ran(kind: str, said: list[tuple[str, str]] | None = None, **spec: Any) -> Any:
    lines = [] if said is None else said
    async with runners() as opened:
        task = task_of(kind, spec, say=lambda *line: lines.append(line))
        return (await opened.by_kind[kind].run(task)).output


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "import os, sys; print(sys.argv[1], os.environ['A'], sys.stdin.read().strip())"),
        ("js", "console.log(process.argv[2], process.env.A, require('fs').readFileSync(0, 'utf8').trim())"),
    ],
)
async def test_scripts_get_arguments_environment_and_input(language: str, code: str) -> None:
    """In every language that is offered."""
    assert await ran("script", language=language, code=code, arguments=["x"], environment={"A": 1}, stdin="in") == "x 1 in"


async def test_a_line_can_say_how_far_the_work_is() -> None:
    """On either stream, told apart in the log."""
    said: list[tuple[str, str]] = []
    await ran("shell", said, command="echo '::progress 40% of the files'; echo done")
    assert said == [("progress", "40% of the files"), ("stdout", "done")]


async def test_nothing_of_the_worker_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold secrets of the platform."""
    monkeypatch.setenv("TOCSIN_NATS_PASSWORD", "canary")
    assert "canary" not in await ran("shell", command="env")
    assert "TOCSIN" not in await ran("shell", command="env")


@pytest.mark.parametrize("wrong", [{"arguments": ["a\0b"]}, {"environment": {"A": "a\0b"}}, {"environment": {"A=B": "c"}}])
async def test_what_a_system_would_cut_off_or_misread_is_refused(wrong: dict[str, Any]) -> None:
    """A null character ends an argument, and an equals sign the name of a variable: the process would get something else."""
    with pytest.raises(Failed) as failure:
        await ran("shell", command="true", **wrong)
    assert str(failure.value.problem["type"]).endswith("/configuration")


@pytest.mark.parametrize(
    ("language", "code", "says"),
    [
        ("js", "throw new TypeError('no pets')", "TypeError: no pets"),
        ("js", "require('nowhere')", "Error: Cannot find module 'nowhere'"),
        ("python", "class Sad(Exception): pass\nraise Sad('no pets')", "no pets"),
    ],
)
async def test_a_script_that_fails_says_why(language: str, code: str, says: str) -> None:
    """And not which version of its runtime ran it."""
    with pytest.raises(Failed) as failure:
        await ran("script", language=language, code=code)
    assert str(failure.value.problem["detail"]).endswith(says)


async def test_too_much_memory_and_too_much_output_are_bounded() -> None:
    """The first ends the process, the second is cut in the output; neither hurts the worker."""
    with pytest.raises(Failed) as failure:
        await ran("script", language="python", code="x = bytearray(4 * 1024 ** 3)")
    assert "MemoryError" in str(failure.value.problem["detail"])
    output = await ran("shell", command="head -c 20000000 /dev/zero | tr '\\0' x")
    assert len(output) == VALUE_LIMIT + 1


async def test_what_is_left_in_the_background_ends_with_the_process() -> None:
    """The whole group, however deep."""
    pid = int(await ran("shell", command="(sh -c 'sleep 60 & echo $!; wait') & sleep 0.3"))
    assert not _alive(pid)


async def test_a_cancelled_process_and_its_children_are_gone_before_the_cancellation_passes() -> None:
    """One that hears TERM ends by itself; the others are killed."""
    said: list[tuple[str, str]] = []
    async with asyncio.TaskGroup() as group:
        running = group.create_task(ran("shell", said, command="sleep 60 & echo $!; wait"))

        async def up() -> bool:
            return bool(said)

        await eventually(up, within=10)
        running.cancel()
        await asyncio.wait([running])
    assert not _alive(int(said[0][1]))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


async def test_what_leaves_its_group_ends_with_its_task(tmp_path: Path) -> None:
    """A process that makes itself a session of its own runs no more when the task has ended."""
    file = tmp_path / "stray"
    stray = f"echo $$ > {file}; exec sleep 1000"
    await ran("shell", command=f"setsid sh -c '{stray}' & until test -s {file}; do sleep 0.02; done")
    assert not _runs(int(file.read_text()))


async def test_nothing_outlives_a_worker_that_is_killed(tmp_path: Path) -> None:
    """Neither the group nor what left it; and its folder is gone. What was over before is left alone."""
    folder, mine = tmp_path / "folder", tmp_path / "begun"
    folder.mkdir()
    code = f"""
import os, subprocess, sys, time
from tocsin_executor.worker.warden import Warden
warden = Warden()
def start(*line):
    return subprocess.Popen(line, start_new_session=True, env={{"TMPDIR": {str(folder)!r}, "PATH": os.environ["PATH"]}})
group = start("sh", "-c", "setsid sleep 1000 & echo $! > {mine}; sleep 1000")
warden.begun(group.pid, {str(folder)!r})
other = start("true")
warden.begun(other.pid, "/nowhere-at-all")
warden.over(other.pid)
while not os.path.exists({str(mine)!r}) or not open({str(mine)!r}).read().strip():
    time.sleep(0.02)
print(group.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    said, _ = await worker.communicate()
    assert worker.returncode == -9
    started = [int(said), int(mine.read_text())]
    await eventually(lambda: not any(_runs(process) for process in started) and not folder.exists(), within=60)


def _runs(process: int) -> bool:
    """Whether it runs; what has ended and is not reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def test_a_very_long_line_keeps_its_beginning_and_says_how_much_more_there_was() -> None:
    """Whatever pieces it comes in."""
    said: list[tuple[str, str]] = []
    code = "import sys; sys.stdout.write('é' * 100_000 + 'END\\nnext\\n')"
    await ran("script", said, language="python", code=code)
    assert said == [("stdout", "é" * 4096 + " … [191811 more bytes]"), ("stdout", "next")]
