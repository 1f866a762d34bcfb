"""The routes of projects and tasks, which this server does not have: Archon's clients find empty lists."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from ...errors import NotFound
from .. import schemas


def router() -> APIRouter:
    api = APIRouter(tags=["projects"])

    @api.get("/api/projects")
    async def projects() -> schemas.ProjectList:
        return schemas.ProjectList(projects=[], count=0, timestamp=datetime.now(UTC).isoformat())

    @api.get("/api/projects/health")
    async def health() -> schemas.ProjectsHealth:
        tables = schemas.ProjectsSchema(projects_table=False, tasks_table=False, valid=False)
        return schemas.ProjectsHealth(status="schema_missing", service="projects", tables=tables)

    @api.get("/api/projects/task-counts")
    async def task_counts() -> dict[str, int]:
        return {}

    @api.get("/api/projects/{project_id}")
    async def project(project_id: str) -> schemas.Done:
        raise NotFound(f"Project {project_id} not found: this server has no projects")

    @api.get("/api/tasks")
    async def tasks(
        page: Annotated[int, Query(ge=1)] = 1, per_page: Annotated[int, Query(ge=1, le=100)] = 10
    ) -> schemas.TaskList:
        return schemas.TaskList(tasks=[], pagination=schemas.Pagination(total=0, page=page, per_page=per_page, pages=0))

    @api.get("/api/tasks/{task_id}")
    async def task(task_id: str) -> schemas.Done:
        raise NotFound(f"Task {task_id} not found: this server has no tasks")

    return api
