"""`python3 -m archon_server.healthcheck`: exits with 0 if the server of this container is ready, with 1 if not.

It runs every few seconds, so it imports the standard library only. Its name and output are stable: the program's
readiness gate reads them.
"""

import json
import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 4


def main() -> int:
    # http.client, because urllib would use a proxy of the environment variables.
    connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8181), timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        body = json.loads(response.read())
        print(f"{body['status']}: {body.get('message', 'ready')}")
        return 0 if response.status == 200 and body["ready"] is True else 1
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        print(f"no answer on port {connection.port}: {type(error).__name__}: {error}")
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
