"""Lets the browser of a crawl trust the certificate authorities of this machine."""

import re
import ssl
import subprocess
from pathlib import Path

BUILT_IN = Path("/usr/share/ca-certificates/mozilla")
"""The authorities that every browser brings with it."""

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def trust_authorities(bundle: Path, home: Path) -> None:
    """Lets a Chromium with this home directory trust the authorities of a PEM file that are not built into it.

    Unlike the HTTP fetcher, Chromium reads an NSS database and no PEM file. Raises CalledProcessError.
    """
    built_in = set().union(*(_authorities(path) for path in BUILT_IN.glob("*.crt")))
    missing = _authorities(bundle) - built_in
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
