"""The authorities that the browser of a crawl trusts."""

import re
import ssl
import subprocess
from pathlib import Path

KNOWN = Path("/usr/share/ca-certificates/mozilla")
"""Those that every browser brings with it."""

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def trust(bundle: Path, home: Path) -> None:
    """Lets a Chromium with this home trust the authorities of a PEM file that are not known anyway.

    It reads no such file, as the HTTP strategy does, but a database of NSS. Raises CalledProcessError.
    """
    known = set().union(*(_authorities(path) for path in KNOWN.glob("*.crt")))
    missing = _authorities(bundle) - known
    if not missing:
        return
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    password = home / "no-password"
    password.write_text("\n")
    _certutil("-N", "-d", f"sql:{database}", "-f", str(password))
    for number, authority in enumerate(sorted(missing)):
        options = ("-d", f"sql:{database}", "-f", str(password), "-n", f"authority {number}", "-t", "C,,")
        _certutil("-A", *options, content=authority)


def _authorities(path: Path) -> set[bytes]:
    return {ssl.PEM_cert_to_DER_cert(text) for text in _CERTIFICATE.findall(path.read_text("ascii", "replace"))}


def _certutil(*arguments: str, content: bytes = b"") -> None:
    subprocess.run(["certutil", *arguments], input=content, stdout=subprocess.DEVNULL, check=True)
