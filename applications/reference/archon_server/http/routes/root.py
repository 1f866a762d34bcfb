"""The root of the API: what this server is."""

from fastapi import APIRouter

from .. import schemas

VERSION = "1.0.0"
"""The version of Archon's API that this server speaks."""


def router() -> APIRouter:
    api = APIRouter(tags=["operation"])

    @api.get("/")
    async def about() -> schemas.About:
        return schemas.About(
            name="Archon Knowledge Engine API",
            version=VERSION,
            description="Reference server of archon-pulumi: documents in, reranked passages out",
            status="healthy",
            modules=["settings", "knowledge", "models", "progress"],
        )

    return api
