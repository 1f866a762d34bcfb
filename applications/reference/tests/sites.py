"""Web sites on the loopback interface, for crawls."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

from tests.conftest import Api

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Site:
    """Serves `pages` by their path. `requests` are the paths that were requested, in order.

    `received` are the method, headers and body of each request.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[str] = []
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(self.path)
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                site.received.append(
                    (self.command, {name.lower(): value for name, value in self.headers.items()}, body)
                )
                site.may_answer.wait(30)
                path = self.path.partition("?")[0]
                if path in site.redirects:
                    self.send_response(302)
                    self.send_header("Location", site.redirects[path])
                    self.end_headers()
                elif path in site.pages:
                    kind, body = site.pages[path]
                    self.send_response(200)
                    self.send_header("Content-Type", kind)
                    self.end_headers()
                    self.wfile.write(body)
                else:
                    self.send_error(404)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((host, port), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://{host}:{self.server.server_port}"
        # `close` waits for the end of a poll; by default one takes half a second.
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def page(self, path: str, body: str, kind: str = "text/html; charset=utf-8") -> None:
        self.pages[path] = (kind, body.encode())

    def close(self) -> None:
        self.may_answer.set()
        self.server.shutdown()
        self.server.server_close()


def crawl(api: Api, url: str, **options: Any) -> dict[str, Any]:
    reply = api.http.post("/api/knowledge-items/crawl", json={"url": url, **options})
    assert reply.status_code == 200, reply.text
    return api.ended(reply.json()["progressId"])
