"""The command line asks the running service."""

import asyncio
import pathlib

import pytest

from integration.trigger.harness import Service
from integration.trigger.test_events import event, listen, publish, records
from tocsin.cli.root import run


async def test_an_event_is_explained_and_replayed_from_a_terminal(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the key of its record or by its own id; a replay with a name starts one run however often it is asked for."""
    for name, value in {"URL": service.url, "TOKEN": "admin", "CONTEXT": str(tmp_path / "config.toml")}.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value)
    monkeypatch.setenv("COLUMNS", "200")

    async def tocsin(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(run, list(arguments))
        printed = capsys.readouterr()
        return int(code), "\n".join(line for line in printed.out.splitlines() if "http.answered" not in line)  # of the service

    await listen(service, "large", "com.example.*", filter=".data.n > 1")
    await publish(service, event(1))
    (record,) = await records(service, 1)
    code, told = await tocsin("event", "explain", record["key"])
    assert code == 0
    assert "filtered" in told
    assert ".data.n > 1" in told
    assert (await tocsin("event", "explain", "e1", "--source", "/shop"))[1] == told
    assert (await tocsin("event", "explain", "e1"))[0] != 0
    await service.ask("DELETE", "/api/v1/triggers/default/large")
    await listen(service, "all", "com.example.*")
    code, first = await tocsin("event", "replay", record["key"], "--id", "fix")
    assert code == 0
    assert "all started" in first
    assert await tocsin("event", "replay", record["key"], "--id", "fix") == (0, first)
