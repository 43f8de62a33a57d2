"""What an operator chooses about workers."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tocsin_executor.domain.large import APART
from tocsin_executor.domain.placing import QUEUE
from tocsin_executor.worker.tasks import VALUE_LIMIT
from tocsin_kit.config import Duration, Secret, Section


class WorkerSettings(Section):
    """Workers: processes that run tasks."""

    section = "worker"

    name: str | None = Field(
        None, max_length=128, description="Name in records and signals; host name and process id if not given."
    )
    queues: tuple[Annotated[str, Field(pattern=f"^{QUEUE}$")], ...] = Field(("default",), description="Queues it serves.")
    labels: tuple[Annotated[str, Field(pattern=r"^[^=\s]{1,63}=[^=]{0,128}$")], ...] = Field(
        (),
        max_length=64,
        description="What it is, such as `zone=eu`: seen by people, and asked for by tasks (`metadata.worker`).",
    )
    slots: int = Field(256, ge=1, le=10_000, description="Tasks of each queue at once.")
    allow_private: bool = Field(
        False,
        description="Whether tasks may call loopback and private networks (`tocsin up` allows it). "
        "Link-local addresses are refused always.",
    )
    drain: Duration = Field(
        timedelta(seconds=15),
        description="How long tasks in hand may take when the worker stops; "
        "then they are stopped and handed back. What ends the process has to wait 12 s longer than this.",
    )
    log_bytes: int = Field(
        256 * 1024,
        ge=0,
        le=64 * 1024 * 1024,
        description="Bytes kept of what one attempt of a task prints; the rest is dropped.",
    )
    secrets: Secret | None = Field(
        None,
        description="Secrets for tasks, a JSON object, used before those of the platform: for trying definitions. "
        "Every workflow on this worker can use them.",
    )
    value_bytes: int = Field(
        VALUE_LIMIT,
        ge=APART,
        le=VALUE_LIMIT,
        description="Bytes of JSON that one value may have: a run's input, an output, the context. What is above 128 KiB is "
        "stored apart.",
    )
    resources: Path | None = Field(
        None, description="Folder of the scripts, protos and documents that definitions name by `file:` or a relative URI."
    )
    docker: str | None = Field(
        None,
        description="URL of the Docker API that runs containers, such as `unix:///var/run/docker.sock`; without it none run. "
        "Whoever may use it is root on its host: give workers an engine of their own.",
    )
    container_memory: int = Field(512 * 1024 * 1024, ge=6 * 1024 * 1024, description="Bytes of memory of a container at most.")
    container_cpus: float = Field(1.0, gt=0, description="Processors of a container at most.")
    container_network: str = Field("bridge", description="Network that containers are in; `none` for none.")
    container_folders: tuple[str, ...] = Field((), description="Folders of the host that containers may mount.")
