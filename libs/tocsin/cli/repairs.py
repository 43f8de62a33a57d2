"""`tocsin run rerun|output|skip|terminate`: what a person does when a run did not go well."""

from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, json_argument, pairs, print_json, say
from tocsin.cli.runs import finish, wait_for
from tocsin.cli.session import AsJson, Url, asynchronous, connect
from tocsin.client import Record

app = typer.Typer(context_settings=dict(SETTINGS))

Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]
Task = Annotated[str, typer.Argument(metavar="TASK", help="Name, reference or activation of a live task.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Shown to whoever wonders.")]


@app.command()
@asynchronous
async def rerun(
    run: Run,
    *,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TASK", help="Do it and what follows again; else only what failed.")
    ] = None,
    version: Annotated[str | None, typer.Option("--version", metavar="X.Y.Z", help="Another one, or `latest`.")] = None,
    given: Annotated[str | None, typer.Option("--input", "-i", metavar="JSON|@FILE", help="Another input.")] = None,
    labels: Annotated[list[str] | None, typer.Option("--label", "-l", metavar="KEY=VALUE", help="Beside the old ones.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Idempotency key: the same again starts nothing twice.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken and what done again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for its end; exit code 1 unless it completes.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run a run again that has ended; what it has done before is taken where its input is the same."""
    body: Record = {"from": start} if start else {}
    body |= {"version": version} if version else {}
    body |= {"input": json_argument(given, "--input")} if given is not None else {}
    body |= {"labels": pairs(labels or [], "--label")} if labels else {}
    body |= {"idempotency_key": key} if key else {}
    async with connect(url) as client:
        record = await client.repairs.rerun(run, body, dry_run=dry_run)
        made = record.get("run")
        if wait and isinstance(made, dict):
            await finish(await wait_for(client, made), as_json=as_json)
            return
    if as_json:
        print_json(record)
        return
    kept, redone = record.get("kept"), record.get("redone")
    taken = "taken where the input is the same" if given is not None or version else "taken"
    say(f"{taken}: {', '.join(map(str, kept)) if isinstance(kept, list) and kept else 'nothing'}", style="dim")
    say(f"done again: {', '.join(map(str, redone)) if isinstance(redone, list) and redone else 'nothing'}", style="dim")
    if isinstance(made, dict):
        console.print(made.get("id"))


@app.command()
@asynchronous
async def output(
    run: Run,
    task: Task,
    value: Annotated[str, typer.Argument(metavar="JSON|@FILE", help="The output.")],
    *,
    reason: Reason = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Give a live task its output by hand; what it does is stopped."""
    body: Record = {"task": task, "output": json_argument(value, "the output")}
    await _ask(run, "output", body, reason, url, as_json=as_json)


@app.command()
@asynchronous
async def skip(run: Run, task: Task, *, reason: Reason = None, url: Url = None, as_json: AsJson = False) -> None:
    """Skip a live task: its input goes to the next one; what it does is stopped."""
    await _ask(run, "skip", {"task": task}, reason, url, as_json=as_json)


@app.command()
@asynchronous
async def terminate(run: Run, *, reason: Reason = None, url: Url = None, as_json: AsJson = False) -> None:
    """End a run at once as faulted, without waiting until what it told to stop has."""
    await _ask(run, "terminate", {}, reason, url, as_json=as_json)


async def _ask(run: str, verb: str, body: Record, reason: str | None, url: str | None, *, as_json: bool) -> None:
    async with connect(url) as client:
        record = await client.repairs.ask(run, verb, {**body, **({"reason": reason} if reason else {})})
    if as_json:
        print_json(record)
    say(f"{run} {record.get('status')}", as_json=as_json)
