"""Asks addresses for an answer and prints what came back, in their order, as JSON.

The variable ADDRESSES has them as a JSON list. They may hold passwords, so nothing that is printed repeats one.
Runs in the bootstrap image with the network, the proxies and the certificate authorities of a store job.
"""

import json
import os
import urllib.error
import urllib.request
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from urllib.parse import unquote, urlsplit

TIMEOUT_SECONDS = 10


def request_of(url: str) -> urllib.request.Request:
    """The request for an address. Its user and password become a header: urllib takes them for a part of the host."""
    parts = urlsplit(url)
    userinfo, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())
    if userinfo:
        user, _, password = userinfo.partition(":")
        credentials = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        # No other server gets it to which this one redirects.
        request.add_unredirected_header("Authorization", f"Basic {credentials}")
    return request


def ask(url: str) -> dict:
    """The status of the answer, or why there is none."""
    try:
        with urllib.request.urlopen(request_of(url), timeout=TIMEOUT_SECONDS) as response:
            return {"status": response.status}
    except urllib.error.HTTPError as error:
        return {"status": error.code}
    except (HTTPException, ValueError) as error:
        # Their texts may repeat the address.
        return {"error": type(error).__name__}
    except OSError as error:
        return {"error": str(getattr(error, "reason", error))}


if __name__ == "__main__":
    with ThreadPoolExecutor(max_workers=8) as pool:
        print(json.dumps(list(pool.map(ask, json.loads(os.environ["ADDRESSES"])))))
