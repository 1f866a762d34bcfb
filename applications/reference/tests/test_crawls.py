"""Crawls of a web site on the loopback, as a client sees them."""

import json
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from archon_server.crawling.ssrf_guard import AddressRefused, check_address
from archon_server.settings import CrawlLimits
from tests.conftest import Api, eventually
from tests.sites import LOOPBACK, Site, crawl


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    site.page(
        "/",
        "<title>All about otters</title><h1>Otters</h1><p>They sleep on their backs.</p>"
        '<a href="/food#top">Food</a> <a href="/missing">x</a> <a href="http://127.0.0.2/">away</a>',
    )
    site.page("/food", '<h1>Food</h1><p>Urchins and fish.</p><pre><code>feed()</code></pre><a href="/deep">deep</a>')
    site.page("/deep", "# Kelp\n\nIt holds them.", "text/markdown")
    yield site
    site.close()


@pytest.fixture
def crawler(serve: Callable[..., Any]) -> Iterator[Api]:
    """An application that may crawl the loopback."""
    with serve(crawl=CrawlLimits(allowed=LOOPBACK, page_bytes=100_000)) as api:
        yield api


def test_a_site_is_crawled_to_a_depth_and_found_by_page(crawler: Api, site: Site) -> None:
    reply = crawler.http.post("/api/knowledge-items/crawl", json={"url": f"{site.url}/", "tags": ["zoo"]})
    progress_id = reply.json()["progressId"]
    assert reply.json() == {
        "success": True,
        "progressId": progress_id,
        "message": "Crawling started",
        "estimatedDuration": "3-5 minutes",
    }
    body = crawler.ended(progress_id)
    assert (body["status"], body["progress"], body["chunksStored"]) == ("completed", 100, 3), body
    assert (body["url"], body["completedDocuments"], body["totalPages"]) == (f"{site.url}/", 3, 4)
    assert body["codeExamplesStored"] == 1
    assert sorted(site.requests) == ["/", "/deep", "/food", "/missing"]

    [found] = crawler.search("kelp")["results"]
    assert (found["metadata"]["url"], found["metadata"]["headers"]) == (f"{site.url}/deep", "Kelp")
    [item] = crawler.http.get("/api/knowledge-items").json()["items"]
    assert (item["title"], item["url"], item["source_type"]) == ("All about otters", f"{site.url}/", "url")
    assert item["metadata"]["tags"] == ["zoo"]
    chunks = crawler.http.get(f"/api/knowledge-items/{body['sourceId']}/chunks", params={"domain_filter": "/food"})
    assert [chunk["url"] for chunk in chunks.json()["chunks"]] == [f"{site.url}/food"]


def test_the_encoding_of_the_response_wins_over_that_of_the_page(crawler: Api, site: Site) -> None:
    site.pages["/"] = ("text/html; charset=utf-8", '<meta charset="iso-8859-1"><p>caf\u00e9'.encode())
    crawl(crawler, f"{site.url}/")
    assert "caf\u00e9" in crawler.search("caf\u00e9")["results"][0]["content"]


@pytest.mark.parametrize(
    ("kind", "page", "word"),
    [
        ("text/html", '<meta charset="Shift_JIS"><p>接続のタイムアウト①髙'.encode("cp932"), "タイムアウト"),
        ("text/html; charset=gb2312", "<p>总理朱镕基".encode("gbk"), "朱镕基"),
        ("text/html; charset=nonsense", '<meta charset="koi8-r"><p>Привет, выдра'.encode("koi8-r"), "выдра"),
        ("text/plain; charset=euc-kr", "똠방각하".encode("cp949"), "똠방각하"),
        ("text/html", "<p>Größe".encode("utf-16"), "Größe"),
    ],
)
def test_a_page_is_read_in_the_encoding_that_is_named(
    crawler: Api, site: Site, kind: str, page: bytes, word: str
) -> None:
    site.pages["/"] = (kind, page)
    body = crawl(crawler, f"{site.url}/")
    assert ("leftOut" in body, "guessedEncodings" in body) == (False, False)
    [found] = crawler.search(word)["results"]
    assert word in found["content"]
    assert "\ufffd" not in found["content"]


def test_what_is_guessed_or_cannot_be_read_is_said(crawler: Api, site: Site) -> None:
    site.pages["/"] = ("text/html", "<a href=/broken>x</a><p>Привет, это текст на русском языке".encode("cp1251"))
    site.pages["/broken"] = ("text/html; charset=utf-8", b"<p>caf\xe9 au lait")
    body = crawl(crawler, f"{site.url}/", max_depth=1)
    [guess] = body["guessedEncodings"]
    assert guess["name"] == "windows-1251"
    assert 0.1 < guess["confidence"] < 1
    assert body["leftOut"] == [f"characters of {site.url}/broken that cannot be read (1)"]
    assert "read as windows-1251, a guess" in body["message"]
    assert crawler.search("русском")["total_found"] == 1


def test_depth_0_is_only_the_page_itself(crawler: Api, site: Site) -> None:
    assert crawl(crawler, f"{site.url}/", max_depth=0)["completedDocuments"] == 1
    assert site.requests == ["/"]


def test_a_crawl_ends_at_its_page_limit(serve: Callable[..., Any], site: Site) -> None:
    with serve(crawl=CrawlLimits(allowed=LOOPBACK, max_pages=2)) as api:
        crawl(api, f"{site.url}/")
    assert len(site.requests) == 2


def test_a_refresh_replaces_the_passages_and_keeps_what_people_changed(crawler: Api, site: Site) -> None:
    source_id = crawl(crawler, f"{site.url}/", max_depth=0)["sourceId"]
    crawler.http.put(f"/api/knowledge-items/{source_id}", json={"title": "Mine"})
    site.page("/", "<p>Now about walruses.</p><a href='/food'>no deeper than before</a>")
    reply = crawler.http.post(f"/api/knowledge-items/{source_id}/refresh").json()
    assert set(reply) == {"progressId", "message"}
    assert crawler.ended(reply["progressId"])["sourceId"] == source_id
    assert site.requests == ["/", "/"]
    [item] = crawler.http.get("/api/knowledge-items").json()["items"]
    assert (item["title"], item["metadata"]["chunks_count"]) == ("Mine", 1)
    assert item["updated_at"] > item["created_at"]
    assert crawler.search("backs")["results"] == []
    assert crawler.search("walruses")["total_found"] == 1


def test_a_failed_refresh_changes_nothing(crawler: Api, site: Site) -> None:
    source_id = crawl(crawler, f"{site.url}/", max_depth=0)["sourceId"]
    site.pages.clear()
    reply = crawler.http.post(f"/api/knowledge-items/{source_id}/refresh").json()
    body = crawler.ended(reply["progressId"])
    assert (body["status"], body["error"]) == ("error", f"{site.url}/ answered 404")
    assert crawler.search("backs")["total_found"] == 1


def test_an_upload_cannot_be_refreshed(crawler: Api) -> None:
    source_id = crawler.upload("otters")["sourceId"]
    reply = crawler.http.post(f"/api/knowledge-items/{source_id}/refresh")
    assert reply.status_code == 422
    assert "only crawled sites can be refreshed" in reply.json()["detail"]["error"]


def test_a_crawl_is_stopped_in_the_middle_of_a_page(crawler: Api, site: Site) -> None:
    site.may_answer.clear()
    reply = crawler.http.post("/api/knowledge-items/crawl", json={"url": f"{site.url}/"})
    progress_id = reply.json()["progressId"]
    eventually(lambda: site.requests == ["/"])
    listed = crawler.http.get("/api/progress/").json()
    assert listed["count"] == 1
    [operation] = listed["operations"]
    assert (operation["operation_id"], operation["operation_type"]) == (progress_id, "crawl")
    assert (operation["status"], operation["url"]) == ("crawling", f"{site.url}/")
    assert crawler.http.get(f"/api/crawl-progress/{progress_id}").headers["x-poll-interval"] == "1000"

    stopped = crawler.http.post(f"/api/knowledge-items/stop/{progress_id}").json()
    assert stopped == {"success": True, "message": "Crawl task stopped successfully", "progressId": progress_id}
    assert crawler.ended(progress_id)["status"] == "cancelled"
    assert crawler.http.get("/api/progress/").json()["operations"] == []
    assert crawler.http.get("/api/knowledge-items").json()["total"] == 0
    again = crawler.http.post(f"/api/knowledge-items/stop/{progress_id}")
    assert (again.status_code, again.json()) == (404, {"detail": {"error": "No active task for given progress_id"}})


def test_a_stopping_server_stops_its_crawl(serve: Callable[..., Any], site: Site, rows: Any) -> None:
    site.may_answer.clear()
    with serve(crawl=CrawlLimits(allowed=LOOPBACK)) as api:
        api.http.post("/api/knowledge-items/crawl", json={"url": f"{site.url}/"})
        eventually(lambda: site.requests == ["/"])
    [(body,)] = rows("SELECT body FROM operations")
    assert json.loads(body)["status"] == "cancelled"


def test_too_many_crawls_are_refused_with_a_time_to_retry(crawler: Api, site: Site) -> None:
    site.may_answer.clear()
    replies = [crawler.http.post("/api/knowledge-items/crawl", json={"url": f"{site.url}/"}) for _ in range(5)]
    assert [reply.status_code for reply in replies] == [200] * 4 + [429]
    assert replies[4].headers["retry-after"] == "30"


@pytest.mark.parametrize(
    ("kind", "body", "problem"),
    [
        ("text/html", b"x" * 200_000, "larger than the 100000 bytes allowed"),
        ("application/octet-stream", b"x", "is application/octet-stream; allowed are HTML, Markdown and plain text"),
        ("text/html", b"<script>x</script>", "contains no text"),
    ],
)
def test_a_page_that_cannot_be_stored_is_reported(
    crawler: Api, site: Site, rows: Any, kind: str, body: bytes, problem: str
) -> None:
    site.pages["/odd"] = (kind, body)
    ended = crawl(crawler, f"{site.url}/odd")
    assert ended["status"] == "error"
    assert problem in ended["error"]
    assert rows("SELECT count(*) FROM documents") == [(0,)]


@pytest.mark.parametrize("host", ["localhost", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_a_private_address_gets_no_request(serve: Callable[..., Any], site: Site, host: str) -> None:
    with serve() as api:
        body = crawl(api, f"http://{host}:{site.server.server_port}/")
    assert body["status"] == "error"
    assert site.requests == []


def test_the_refusal_says_how_to_allow_it(serve: Callable[..., Any], site: Site) -> None:
    with serve() as api:
        body = crawl(api, f"{site.url}/")
    assert body["status"] == "error"
    assert "127.0.0.1 is private, local or reserved; ARCHON_CRAWL_ALLOW lists the networks allowed" in body["error"]
    assert site.requests == []


def test_a_redirect_to_a_private_address_is_not_followed(serve: Callable[..., Any], site: Site) -> None:
    site.redirects["/"] = f"http://127.0.0.2:{site.server.server_port}/food"
    with serve(crawl=CrawlLimits(allowed=(ip_network("127.0.0.1"),))) as api:
        body = crawl(api, f"{site.url}/")
    assert body["status"] == "error"
    assert "127.0.0.2 is private" in body["error"]
    assert site.requests == ["/"]


def test_a_redirect_to_a_file_is_not_followed(crawler: Api, site: Site) -> None:
    site.redirects["/"] = "file:///etc/passwd"
    body = crawl(crawler, f"{site.url}/")
    assert body["status"] == "error"
    assert crawler.http.get("/api/knowledge-items").json()["total"] == 0


@pytest.mark.parametrize(
    "url", ["", "ftp://a.example", "file:///etc/passwd", "raw:x", "example.org", "http://", "http://u:p@a.example", 5]
)
def test_only_web_addresses_are_accepted(api: Api, url: Any) -> None:
    reply = api.http.post("/api/knowledge-items/crawl", json={"url": url})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "url"]


@pytest.mark.parametrize(
    "address",
    [
        *("10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "127.0.0.1", "0.0.0.0", "100.64.0.1"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:10.0.0.1"),
        *("64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1"),
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused, match="is private, local or reserved"):
        check_address(address, ())


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::808:808"])
def test_a_public_address_is_allowed(address: str) -> None:
    check_address(address, ())


def test_a_network_can_be_allowed() -> None:
    check_address("10.1.2.3", (ip_network("fd00::/8"), ip_network("10.0.0.0/8")))
    with pytest.raises(AddressRefused):
        check_address("192.168.0.1", (ip_network("10.0.0.0/8"),))
