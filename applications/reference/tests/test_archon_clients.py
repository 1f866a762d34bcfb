"""What Archon's page and MCP server ask for before anything else."""

from collections.abc import Callable
from typing import Any

from tests.conftest import Api


def get(api: Api, path: str) -> Any:
    reply = api.http.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_the_health_that_the_page_polls_is_always_200(serve: Callable[..., Any]) -> None:
    with serve() as api:
        ready = get(api, "/api/health")
        api.shutdown.request()
        stopping = get(api, "/api/health")

    assert ready.pop("timestamp")
    assert ready == {"status": "healthy", "service": "knowledge-api"}
    assert stopping["status"] == "draining"


def test_there_are_no_projects_and_the_page_is_told_to_leave_them_out(api: Api) -> None:
    projects = get(api, "/api/projects")

    assert projects.pop("timestamp")
    assert projects == {"projects": [], "count": 0}
    assert get(api, "/api/projects/task-counts") == {}
    assert get(api, "/api/projects/health") == {
        "status": "schema_missing",
        "service": "projects",
        "schema": {"projects_table": False, "tasks_table": False, "valid": False},
    }


def test_there_are_no_tasks(api: Api) -> None:
    assert get(api, "/api/tasks?page=2&per_page=25") == {
        "tasks": [],
        "pagination": {"total": 0, "page": 2, "per_page": 25, "pages": 0},
    }


def test_one_project_and_one_task_are_not_found(api: Api) -> None:
    for path, message in {
        "/api/projects/p1": "Project p1 not found: this server has no projects",
        "/api/tasks/t1": "Task t1 not found: this server has no tasks",
    }.items():
        reply = api.http.get(path)
        assert (reply.status_code, reply.json()) == (404, {"detail": {"error": message}})


def test_the_mcp_server_is_another_program(serve: Callable[..., Any]) -> None:
    with serve(mcp_host="archon.example", mcp_port=9051) as api:
        assert get(api, "/api/mcp/status") == {
            "status": "docker_unavailable",
            "container_status": "docker_unavailable",
            "uptime": None,
            "logs": [],
        }
        assert get(api, "/api/mcp/config") == {
            "host": "archon.example",
            "port": 9051,
            "transport": "streamable-http",
        }
