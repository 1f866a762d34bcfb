"""Asks the gateway for a few seconds, until one of the given addresses is that of the server that answered.

Arguments: URL, seconds, the path of the certificate that must be served (empty for plain HTTP), "any" if every answer
of the server will do or "success" if it must be one, addresses. Without an address any server will do. Exits with 0
when such a server has answered. Otherwise prints the last answer and exits with 1. Runs in the image of the gateway,
with the standard library only.

A certificate is compared, not verified: it is made for the name that people use, and this asks at an address of the
machine. It may also be signed by nobody.
"""

import ssl
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class SameCertificate(urllib.request.HTTPSHandler):
    """Talks to whoever serves the first certificate of a file, and to nobody else."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(context=context)

    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        text = self._file.read_text()
        configured = ssl.PEM_cert_to_DER_cert(text[text.index(BEGIN) : text.index(END) + len(END)])

        class Connection(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                if self.sock.getpeercert(binary_form=True) != configured:
                    raise OSError("it serves another certificate than that of archon:services[].tls")

        return self.do_open(Connection, request, context=self._context)


url, seconds, certificate, expected, *addresses = sys.argv[1:]
# Docker's client may give every container the variables of a proxy.
handlers = [urllib.request.ProxyHandler({}), *([SameCertificate(certificate)] if certificate else [])]
opener = urllib.request.build_opener(*handlers)
deadline = time.monotonic() + float(seconds)
while True:
    try:
        with opener.open(url, timeout=2) as response:
            server = response.headers["Gateway-Server"]
        # The gateway of an earlier version does not say which server answered.
        if server is None or server in addresses or not addresses:
            sys.exit(0)
        answer = f"{response.status} from the server at {server}"
    except urllib.error.HTTPError as error:
        server = error.headers["Gateway-Server"]
        # The gateway itself answers without a server.
        if expected == "any" and server is not None and (server in addresses or not addresses):
            sys.exit(0)
        answer = f"{error.code} {error.reason}"
    except (OSError, HTTPException, ValueError) as error:
        answer = str(getattr(error, "reason", error))
    if time.monotonic() >= deadline:
        print(answer)
        sys.exit(1)
    time.sleep(0.1)
