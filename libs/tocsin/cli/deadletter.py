"""`tocsin dead-letter`: messages that a service could not handle, and handing them over again."""

from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_records, say
from tocsin.cli.session import AsJson, Url, asynchronous, connect

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Dead letters.")

Service = Annotated[str, typer.Argument(metavar="SERVICE", help="trigger, executor, lineage, case, observer, ...")]
Sequence = Annotated[int, typer.Argument(metavar="SEQUENCE", min=1, help="As the list has it.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this many.")]


@app.callback()
def dead_letter() -> None:
    """Messages that a service could not handle."""


@app.command("list")
@asynchronous
async def list_(service: Service, limit: Limit = 50, url: Url = None, as_json: AsJson = False) -> None:
    """List them, oldest first, with the reasons."""
    async with connect(url) as client:
        records = [item async for item in client.dead_letters.list(service, limit=limit)]
    columns = ["sequence", "subject", "consumer", "attempts", "code", "reason", "died"]
    print_records(records, columns, as_json=as_json, empty="No dead letters.")


@app.command()
@asynchronous
async def redrive(
    service: Service,
    *,
    consumer: Annotated[str | None, typer.Option("--consumer", metavar="NAME", help="Only those of this consumer.")] = None,
    sequence: Annotated[int | None, typer.Option("--sequence", metavar="N", min=1, help="Only this one.")] = None,
    limit: Limit = 1000,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Hand them to their handler again."""
    async with connect(url) as client:
        answer = await client.dead_letters.redrive(service, consumer, limit, sequence)
    if as_json:
        print_json(answer)
    say(f"{answer.get('handled')} handled, {answer.get('failed')} failed again", as_json=as_json)


@app.command()
@asynchronous
async def discard(service: Service, sequence: Sequence, *, url: Url = None, as_json: AsJson = False) -> None:
    """Put one away for good: it is handled no more. The audit trail says what it was."""
    async with connect(url) as client:
        await client.dead_letters.discard(service, sequence)
    if as_json:
        print_json({"service": service, "discarded": sequence})
    say(f"{service} {sequence} is discarded", as_json=as_json)
