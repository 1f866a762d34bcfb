"""Asks the gateway for a few seconds, until one of the given addresses is that of the server that answered.

Arguments: URL, seconds, addresses. Exits with 0 when that server has answered. Otherwise prints the last answer and
exits with 1. Runs in the image of the gateway, with the standard library only.
"""

import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException

url, seconds, *addresses = sys.argv[1:]
# Docker's client may give every container the variables of a proxy.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
deadline = time.monotonic() + float(seconds)
while True:
    try:
        with opener.open(url, timeout=2) as response:
            server = response.headers["Gateway-Server"]
        # The gateway of an earlier version does not say which server answered.
        if server is None or server in addresses:
            sys.exit(0)
        answer = f"{response.status} from the server at {server}"
    except urllib.error.HTTPError as error:
        answer = f"{error.code} {error.reason}"
    except (OSError, HTTPException) as error:
        answer = str(getattr(error, "reason", error))
    if time.monotonic() >= deadline:
        print(answer)
        sys.exit(1)
    time.sleep(0.1)
