"""The routes of Archon's MCP server, which is a program of its own that asks this server."""

from fastapi import APIRouter

from ...settings import Settings
from .. import schemas


def router(settings: Settings) -> APIRouter:
    api = APIRouter(prefix="/api/mcp", tags=["mcp"])

    @api.get("/status")
    async def status() -> schemas.McpStatus:
        """This server has no access to Docker, so it does not know."""
        return schemas.McpStatus(
            status="docker_unavailable", container_status="docker_unavailable", uptime=None, logs=[]
        )

    @api.get("/config")
    async def config() -> schemas.McpConfig:
        return schemas.McpConfig(host=settings.mcp_host, port=settings.mcp_port, transport="streamable-http")

    return api
