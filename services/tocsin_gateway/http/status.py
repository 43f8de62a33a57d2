"""The state of every service in one answer: what `tocsin status` and the console show."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from tocsin_gateway.application import Gateway
from tocsin_kit.web import Call, Permission, Route


class ServiceStatus(BaseModel):
    """One service."""

    name: str
    ready: bool
    detail: str = Field(description="`ready`, or what is not")


class Status(BaseModel):
    """All services."""

    ready: bool = Field(description="Whether every service is ready")
    services: list[ServiceStatus]


def status_routes(gateway: Gateway) -> Sequence[Route]:
    """``GET /api/v1/status``."""

    async def status(call: Call) -> Status:
        call.permitted("status:read")
        services = [ServiceStatus(name=s.name, ready=s.ready, detail=s.detail) for s in await gateway.status()]
        return Status(ready=all(s.ready for s in services), services=services)

    return (
        Route(
            method="GET",
            path="/api/v1/status",
            access=Permission("status:read"),
            summary="The state of every service",
            handler=status,
            tags=("status",),
            response=Status,
        ),
    )
