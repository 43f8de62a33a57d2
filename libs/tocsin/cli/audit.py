"""`tocsin audit`: who did what, and the proof that nothing of it was changed."""

import base64
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.exits import Exit
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.cli.signal import instant
from tocsin.client import Record
from tocsin.client.resources import Filters
from tocsin.errors import Invalid
from tocsin.signals.audit_chain import Verdict, key_id
from tocsin.signals.audit_chain import verify as proven

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="The audit trail.")

Actor = Annotated[str | None, typer.Option("--actor", metavar="WHO", help="Such as user:ada or key:<id>.")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="RFC 3339, or how long ago: 30s, 10m, 2h, 7d.")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="The same.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of every namespace that you may see.")]


@app.callback()
def audit() -> None:
    """Who did what, and the proof that nothing of it was changed."""


@app.command("list")
@asynchronous
async def list_(
    *,
    actor: Actor = None,
    action: Annotated[str | None, typer.Option("--action", help="Such as role.updated or request.refused.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="accepted, refused or failed.")] = None,
    request: Annotated[str | None, typer.Option("--request", help="All that came of one request.")] = None,
    address: Annotated[str | None, typer.Option("--address", help="Where it was asked from.")] = None,
    since: Since = None,
    until: Until = None,
    everywhere: Everywhere = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Print records, newest first."""
    where = target(url, namespace)
    filters: Filters = {
        "namespace": None if everywhere else where.namespace,
        "actor": actor,
        "action": action,
        "outcome": outcome,
        "request": request,
        "address": address,
        "since": instant(since),
        "until": instant(until),
    }
    async with connect(where.url) as client:
        records = [record async for record in client.audit.list(filters, limit=limit)]
    columns = ["number", "stored:at", "actor", "action", "id", "outcome", "permission", "address"]
    print_records(records, columns, as_json=as_json, empty="Nothing in the audit trail.")


@app.command()
@asynchronous
async def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Of the record, as `audit list` shows it.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show one record: who, from where, with which permission, what it was before and after; and what else the request did."""
    async with connect(url) as client:
        record = await client.audit.show(number)
        request = record.get("request")
        others = [one async for one in client.audit.list({"request": str(request)}, limit=20)] if request else []
    if as_json:
        print_json({**record, "same_request": [one["number"] for one in others if one["number"] != number]})
        return
    hidden = {"changes", "event", "hash", "position", "entity"}
    # What the request record knows (address, permission) belongs to whatever the request changed.
    known = {name: next((o[name] for o in others if o.get(name)), None) for name in ("address", "permission")}
    shown = {name: value or known.get(name) for name, value in record.items() if name not in hidden}
    print_record(shown, as_json=False)
    changes = record["changes"]
    if isinstance(changes, list) and changes:
        print_records([one for one in changes if isinstance(one, dict)], ["field", "before", "after"], as_json=False, empty="")
    rest = [one for one in others if one["number"] != number]
    if rest:
        say("Of the same request:")
        columns = ["number", "action", "id", "outcome", "permission", "address"]
        print_records(rest, columns, as_json=False, empty="")


@app.command()
@asynchronous
async def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; - for standard output.")],
    *,
    format_: Annotated[str, typer.Option("--format", help="jsonl, which can be proven, or csv for a spreadsheet.")] = "jsonl",
    only: Annotated[str | None, typer.Option("--only", metavar="NAMESPACE", help="Show this namespace's records only.")] = None,
    actor: Actor = None,
    since: Since = None,
    until: Until = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Take the audit trail with you. What you may not see, or did not ask for, is in it as a digest."""
    filters: Filters = {
        "format": format_,
        "namespace": only,
        "actor": actor,
        "since": instant(since),
        "until": instant(until),
    }
    async with connect(url) as client:
        chunks = client.audit.export(filters)
        if file == "-":
            async for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            return
        lines = await _written(chunks, Path(file))
    if as_json:
        print_json({"file": file, "lines": lines})
    say(f"{lines} lines written to {file}", as_json=as_json)


async def _written(chunks: AsyncIterator[bytes], target_: Path) -> int:
    """Write chunks beside the file and put that in its place when all is there: half an export must not look like one."""
    beside, lines = target_.with_name(f"{target_.name}.part"), 0
    try:
        with beside.open("wb") as out:
            async for chunk in chunks:
                out.write(chunk)
                lines += chunk.count(b"\n")
        beside.replace(target_)
    finally:
        beside.unlink(missing_ok=True)
    return lines


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Export in JSON lines.", exists=True, dir_okay=False)],
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="BASE64", help="Public key that you trust; the export's own unless given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove an export without a platform: complete, unchanged, signed. Names the first record that is broken or missing."""
    trusted = dict(_trusted(key) for key in keys or [])
    with file.open("rb") as lines:
        verdict = proven(lines, trusted or None)
    if as_json:
        print_json(_as_json(verdict))
    else:
        _tell(verdict, trusted=bool(trusted))
    if not verdict.holds:
        raise typer.Exit(Exit.NEGATIVE)


@app.command()
@asynchronous
async def status(url: Url = None, as_json: AsJson = False) -> None:
    """Show where the chain ends, and the public keys that sign it: keep those somewhere else."""
    async with connect(url) as client:
        print_record(await client.audit.status(), as_json=as_json)


@app.command()
@asynchronous
async def holds(url: Url = None, as_json: AsJson = False) -> None:
    """List legal holds."""
    async with connect(url) as client:
        records = [record async for record in client.audit.holds()]
    columns = ["name", "reason", "held_namespace", "held_actor", "since", "until", "placed_by", "placed_at"]
    print_records(records, columns, as_json=as_json, empty="No holds.")


@app.command()
@asynchronous
async def hold(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    reason: Annotated[str, typer.Option("--reason", help="Why it must be kept.")],
    *,
    only: Annotated[str | None, typer.Option("--only", metavar="NAMESPACE", help="Only records of this namespace.")] = None,
    actor: Actor = None,
    since: Since = None,
    until: Until = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Place a legal hold: what it covers is kept until it is released."""
    body = {"reason": reason, "held_namespace": only, "held_actor": actor, "since": instant(since), "until": instant(until)}
    async with connect(url) as client:
        record = await client.audit.hold(name, {key: value for key, value in body.items() if value is not None})
    if as_json:
        print_json(record)
    say(f"{name} holds", as_json=as_json)


@app.command()
@asynchronous
async def release(name: Annotated[str, typer.Argument(metavar="NAME")], url: Url = None, as_json: AsJson = False) -> None:
    """Release a legal hold."""
    async with connect(url) as client:
        await client.audit.release(name)
    say(f"{name} is released", as_json=as_json)


def _trusted(text: str) -> tuple[str, bytes]:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Invalid(f"--key {text[:60]!r} is not base64") from error
    if len(key) != 32:
        raise Invalid("--key is a public key of Ed25519: 32 bytes in base64", hint="`tocsin audit status` shows it")
    return key_id(key), key


def _tell(verdict: Verdict, *, trusted: bool) -> None:
    broken = verdict.broken
    if broken is not None:
        say(f"BROKEN at record {broken.number} (line {broken.line}): {broken.why}", style="red")
        say(broken.hint)
        return
    if not verdict.last:
        say(f"proven: no record is in this period, as of {verdict.exported}", style="green")
        return
    shown = f"{verdict.records} in full, {verdict.withheld} as digests"
    say(
        f"proven: records {verdict.first} to {verdict.last} are complete and unchanged ({shown}), as of {verdict.exported}",
        style="green",
    )
    by = ", ".join(verdict.keys) or "nobody"
    say(f"{verdict.checkpoints} checkpoints, signed by {by}" + ("" if trusted else "; compare the key, or give it with --key"))


def _as_json(verdict: Verdict) -> Record:
    broken = verdict.broken
    return {
        "holds": verdict.holds,
        "chain": verdict.chain,
        "exported": verdict.exported,
        "first": verdict.first,
        "last": verdict.last,
        "records": verdict.records,
        "withheld": verdict.withheld,
        "checkpoints": verdict.checkpoints,
        "keys": [*verdict.keys],
        "broken": None
        if broken is None
        else {"number": broken.number, "line": broken.line, "why": broken.why, "hint": broken.hint},
    }
