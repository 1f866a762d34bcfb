"""Serves TLS with a certificate of the host, and takes a renewed one without closing a connection.

    tls.py check CERTIFICATE KEY  prints as JSON what is wrong with the files, and the certificate
    tls.py serve CERTIFICATE KEY  runs HAProxy with them, and gives it what replaces them

The files are read as the gateway's own user, with the gateway's own mounts. Uses the standard library only: `check`
also runs in other images with Python.
"""

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

HAPROXY = ("haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg")
# What haproxy.cfg names: certificate, chain and key in one file, and the socket for commands.
COMBINED = Path("/tmp/certificate.pem")
SOCKET = "/tmp/haproxy.sock"
POLL_SECONDS = 5
# A command for HAProxy must fit into one of its buffers (tune.bufsize), and so must a renewed certificate.
MOST_BYTES = 15_000
SIGNALS = {signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class Unusable(Exception):
    """Why the files cannot be used: for each, `certificate` or `key`, one reason."""

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__("; ".join(f"the {file} {reason}" for file, reason in reasons.items()))
        self.reasons = reasons


def read_text(path: Path) -> tuple[str, str | None]:
    """The text of a file, and why it cannot be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace"), None
    except FileNotFoundError:
        if path.is_symlink():
            return "", f"is a link to {path.readlink()}, which leads out of its directory; the gateway sees only that"
        return "", "does not exist"
    except PermissionError:
        return "", f"cannot be read by the gateway, which is user {os.getuid()} and group {os.getgid()}"
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"


def read_pair(certificate: Path, key: Path) -> str:
    """Certificate, chain and key in one text. @raises Unusable"""
    texts = {"certificate": read_text(certificate), "key": read_text(key)}
    unreadable = {file: reason for file, (_, reason) in texts.items() if reason is not None}
    if unreadable:
        raise Unusable(unreadable)
    if not BLOCK.search(texts["certificate"][0]):
        raise Unusable({"certificate": "holds no certificate in PEM format"})
    check_pair(certificate, key)
    # An empty line would end the command that hands it to HAProxy.
    lines = [line for text, _ in texts.values() for line in text.splitlines() if line.strip()]
    combined = "\n".join(lines) + "\n"
    if len(combined) > MOST_BYTES:
        raise Unusable({"certificate": f"is longer than {MOST_BYTES} bytes with its chain and key; leave out the root"})
    return combined


def check_pair(certificate: Path, key: Path) -> None:
    try:
        # A key with a password gets a wrong one: nobody is there to type it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b" ")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Unusable({"key": "does not belong to the certificate"}) from error
        if error.reason is not None and error.reason.startswith(("EE_", "CA_")):
            raise Unusable({"certificate": f"is too weak: {error.reason}"}) from error
        raise Unusable({"key": "is no private key in PEM format without a password"}) from error


def check(certificate: Path, key: Path) -> dict:
    try:
        combined = read_pair(certificate, key)
    except Unusable as error:
        return {"reasons": error.reasons}
    first = BLOCK.search(combined)
    return {"reasons": {}, "certificate": "" if first is None else first[0]}


def write_combined(text: str) -> None:
    descriptor = os.open(COMBINED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def command(text: str) -> str:
    """Gives HAProxy a command. @returns its answer"""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(SOCKET)
        connection.sendall(text.encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


def replace(combined: str) -> None:
    """Makes new connections get this certificate; those that exist stay. @raises OSError if HAProxy does not take it"""
    write_combined(combined)
    answers = [command(f"set ssl cert {COMBINED} <<\n{combined}\n"), command(f"commit ssl cert {COMBINED}\n")]
    if "Success!" not in answers[1]:
        command(f"abort ssl cert {COMBINED}\n")
        raise OSError(" ".join(" ".join(answers).split()))


class Renewals:
    """What HAProxy serves, against what the files hold."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._paths = (certificate, key)
        self._served = read_pair(certificate, key)
        self._said = ""
        write_combined(self._served)

    def take(self) -> None:
        """Serves what the files hold now. Keeps what is served while they are of no use, such as between two writes."""
        try:
            combined = read_pair(*self._paths)
            if combined != self._served:
                replace(combined)
                self._served = combined
                self._say("The certificate was renewed.")
        except (Unusable, OSError) as error:
            self._say(f"The certificate was not renewed: {error}. What was served before is still served.")

    def _say(self, line: str) -> None:
        if line != self._said:
            print(line, flush=True)
        self._said = line


def serve(certificate: Path, key: Path) -> int:
    try:
        renewals = Renewals(certificate, key)
    except Unusable as error:
        print(f"TLS cannot be served: {error}.", file=sys.stderr)
        return 1
    haproxy = subprocess.Popen(HAPROXY)
    # HAProxy must not inherit the mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    while haproxy.poll() is None:
        received = signal.sigtimedwait(SIGNALS, POLL_SECONDS)
        if received is None:
            renewals.take()
        elif received.si_signo != signal.SIGCHLD:
            with contextlib.suppress(ProcessLookupError):
                haproxy.send_signal(received.si_signo)
    return abs(haproxy.returncode)


if __name__ == "__main__":
    verb, *paths = sys.argv[1:]
    certificate, key = map(Path, paths)
    if verb == "check":
        print(json.dumps(check(certificate, key)))
    else:
        sys.exit(serve(certificate, key))
