"""Asks addresses for an answer and prints what came back, as JSON. The addresses are the arguments.

Runs in the bootstrap image with the network, the proxies and the certificate authorities of a store job.
"""

import json
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

TIMEOUT_SECONDS = 10


def ask(url: str) -> dict:
    """The status of the answer, or why there is none."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            return {"url": url, "status": response.status}
    except urllib.error.HTTPError as error:
        return {"url": url, "status": error.code}
    except (OSError, ValueError) as error:
        return {"url": url, "error": str(getattr(error, "reason", error))}


if __name__ == "__main__":
    with ThreadPoolExecutor(max_workers=8) as pool:
        print(json.dumps(list(pool.map(ask, sys.argv[1:]))))
