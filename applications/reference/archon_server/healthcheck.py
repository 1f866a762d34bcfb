"""`python3 -m archon_server.healthcheck`: exits with 0 if the server of this container is ready, with 1 if not.

The engine runs it every half minute, and the readiness gate every second or two while a server starts, on the
processors that the server needs. So it imports little, and only from the standard library: `http.client` alone would
double its time. Its name and output are stable: the program's readiness gate reads them.
"""

import json
import os
import socket
import sys

TIMEOUT_SECONDS = 4


def main() -> int:
    port = int(os.environ.get("PORT") or 8181)
    try:
        status, content = get(port, "/health")
        body = json.loads(content)
        print(f"{body['status']}: {body.get('message', 'ready')}")
        return 0 if status == 200 and body["ready"] is True else 1
    except (OSError, ValueError, LookupError, TypeError) as error:
        print(f"no answer on port {port}: {type(error).__name__}: {error}")
        return 1


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of an answer. With HTTP/1.0 the server closes the connection after it and sends no chunks."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        with connection.makefile("rb") as reply:
            head, _, body = reply.read().partition(b"\r\n\r\n")
    return int(head.split(maxsplit=2)[1]), body


if __name__ == "__main__":
    sys.exit(main())
