"""A tool server made with the protocol's own library, on its standard input and output or over HTTP."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("tools")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    print("adding", file=sys.stderr, flush=True)
    return a + b


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("out of order")


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
