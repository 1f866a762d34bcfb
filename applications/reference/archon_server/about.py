"""The root of the API: what this server is."""

from typing import Any

from fastapi import APIRouter

VERSION = "1.0.0"
"""Of Archon's API, which this server speaks."""


def router() -> APIRouter:
    api = APIRouter(tags=["operation"])

    @api.get("/")
    async def about() -> dict[str, Any]:
        return {
            "name": "Archon Knowledge Engine API",
            "version": VERSION,
            "description": "Reference server of archon-pulumi: documents in, reranked passages out",
            "status": "healthy",
            "modules": ["settings", "knowledge", "models", "progress"],
        }

    return api
