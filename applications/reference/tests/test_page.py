import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = "/assets/app-ABCD1234.js"
BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9"}


@pytest.fixture
def page_dir(tmp_path: Path) -> Path:
    """A built page, and a file beside it that does not belong to it."""
    (tmp_path / "page" / "assets").mkdir(parents=True)
    (tmp_path / "page" / "index.html").write_text(f'<script type="module" src="{SCRIPT}"></script>')
    (tmp_path / "page" / "assets" / Path(SCRIPT).name).write_text("export {};")
    (tmp_path / "page" / "assets" / "style-ABCD1234.css").write_text("p { color: red }")
    (tmp_path / "page" / "assets" / "icon-ABCD1234.svg").write_text("<svg/>")
    (tmp_path / "secret").write_text("nobody's business")
    return tmp_path / "page"


def test_a_browser_gets_the_page_without_a_token_and_nothing_else(serve: Callable[..., Any], page_dir: Path) -> None:
    with serve(page_dir=page_dir, token="t" * 40) as api:
        page = api.http.get("/", headers=BROWSER)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert SCRIPT in page.text
        assert api.http.get(SCRIPT).status_code == 200
        assert api.http.get("/api/knowledge-items", headers=BROWSER).status_code == 401
        assert api.http.post("/", headers=BROWSER).status_code == 401


def test_a_program_does_not_get_the_page(serve: Callable[..., Any], page_dir: Path) -> None:
    with serve(page_dir=page_dir) as api:
        assert "<script" not in api.http.get("/", headers={"Accept": "application/json"}).text


def test_the_page_runs_no_inline_script_and_cannot_be_framed(serve: Callable[..., Any], page_dir: Path) -> None:
    with serve(page_dir=page_dir) as api:
        policy = api.http.get("/", headers=BROWSER).headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_assets_are_cached_for_ever_and_the_page_is_revalidated(serve: Callable[..., Any], page_dir: Path) -> None:
    with serve(page_dir=page_dir) as api:
        for name, kind in (
            ("app-ABCD1234.js", "text/javascript"),
            ("style-ABCD1234.css", "text/css"),
            ("icon-ABCD1234.svg", "image/svg+xml"),
        ):
            asset = api.http.get(f"/assets/{name}")
            assert asset.headers["content-type"].startswith(kind)
            assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert asset.headers["x-content-type-options"] == "nosniff"
        page = api.http.get("/", headers=BROWSER)
        assert page.headers["cache-control"] == "no-cache"
        again = api.http.get("/", headers={**BROWSER, "If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/assets/../../secret", "/assets/%2e%2e/%2e%2e/secret", "/assets//etc/passwd", "/assets/"]
)
def test_only_what_was_built_is_served(serve: Callable[..., Any], page_dir: Path, path: str) -> None:
    with serve(page_dir=page_dir) as api:
        assert api.http.get(path).status_code == 404


def test_a_server_works_without_a_page(serve: Callable[..., Any], tmp_path: Path) -> None:
    with serve(page_dir=tmp_path / "none") as api:
        assert api.http.get("/", headers=BROWSER).headers["content-type"].startswith("application/json")
        assert api.http.get("/health").status_code == 200


def test_head_has_no_body(serve: Callable[..., Any], page_dir: Path) -> None:
    with serve(page_dir=page_dir) as api:
        head = api.http.head(SCRIPT)
        assert (head.status_code, head.content) == (200, b"")
        assert re.fullmatch(r"\d+", head.headers["content-length"])
