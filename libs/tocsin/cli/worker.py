"""`tocsin worker list`: who runs tasks, and how busy they are."""

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_records
from tocsin.cli.session import AsJson, Url, asynchronous, connect, target
from tocsin.client import Record

app = typer.Typer(context_settings=dict(SETTINGS), no_args_is_help=True, help="Processes that run tasks.")


@app.callback()
def worker() -> None:
    """Processes that run tasks."""


@app.command("list")
@asynchronous
async def list_(url: Url = None, as_json: AsJson = False) -> None:
    """List the workers that are there: their queues as busy/slots, their labels, what they have done."""
    async with connect(target(url, None).url) as client:
        records = [record async for record in client.workers.list()]
    if not as_json:
        records = [_row(record) for record in records]
    columns = ["name", "state", "queues", "labels", "completed", "since"]
    print_records(records, columns, as_json=as_json, empty="No worker is there.")


def _row(record: Record) -> Record:
    queues, labels = record.get("queues"), record.get("labels")
    listed = [queue for queue in queues if isinstance(queue, dict)] if isinstance(queues, list) else []
    said = ", ".join(f"{queue['name']} {queue['busy']}/{queue['slots']}" for queue in listed)
    named = ", ".join(f"{name}={value}" for name, value in labels.items()) if isinstance(labels, dict) else ""
    return {**record, "queues": said, "labels": named}
