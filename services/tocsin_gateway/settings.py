"""What an operator chooses about the gateway."""

from pydantic import Field

from tocsin_kit.config import Section


class GatewaySettings(Section):
    """The gateway, the one public port."""

    section = "gateway"

    examples: bool = Field(False, description="Run the small services that the example workflows call, below /examples.")
    ops_port: int = Field(7790, ge=1, le=65535, description="Operations port of the services, asked for their readiness.")
    max_body: int = Field(8 * 1024 * 1024, ge=1024, description="Largest body that is passed on, in bytes.")
