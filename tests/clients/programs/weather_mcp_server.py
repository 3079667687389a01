"""An MCP server with one tool, on stdin and stdout."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

server = MCPServer("weather")


@server.tool()
def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return f"3 degrees in {city}"


server.run()
