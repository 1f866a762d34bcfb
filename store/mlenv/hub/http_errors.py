"""What it means when a hub does not give what it was asked for: something that may pass, or something to do."""

from __future__ import annotations

import email.utils
import re
import ssl
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

from ..core.errors import HubError
from ..core.model import Model
from .http_client import Answer, origin
from .retry import Trouble

_PROXY_USER = "the proxy wants a user: set HTTPS_PROXY to http://user:password@host:port"


@dataclass(frozen=True)
class Asked:
    """What a hub at an endpoint was asked for: a URL, of a model, with a token or without."""

    endpoint: str
    model: Model
    url: str
    with_token: bool


def refusal(answer: Answer, asked: Asked, exists: Callable[[], bool]) -> HubError | Trouble:
    """What an answer means that is neither the thing nor a redirect to it. `exists` says whether the hub knows the
    model."""
    status, shown = answer.status, without_query(answer.url)
    code = answer.headers.get("X-Error-Code", "")
    if status in (408, 425, 429) or status >= 500:
        return Trouble(f"{shown}: HTTP {status}", _retry_after(answer))
    if status == 407:
        return HubError(f"{_PROXY_USER} (HTTP 407 for {shown})")
    if origin(answer.url) != origin(asked.endpoint):
        # Signed addresses run out. The hub itself makes a new one.
        return Trouble(f"{shown}: HTTP {status}, the signed address is not valid any more")
    if status in (401, 403):
        return _forbidden(status, code, asked)
    if status == 404 and "/resolve/" not in asked.url:
        return _unknown(code == "RevisionNotFound" or (not code and exists()), asked)
    return HubError(f"{asked.endpoint} answered HTTP {status} for {shown}")


def _forbidden(status: int, code: str, asked: Asked) -> HubError:
    repo, page = asked.model.repo, f"{asked.endpoint}/{asked.model.repo}"
    where = "the token of a user who may read it, as secret configuration archon:hubToken (HF_TOKEN of this tool)"
    if code == "GatedRepo" or (status == 403 and not code):
        return HubError(f"{repo} is gated (HTTP {status}): accept its licence at {page} and give {where}")
    held = "the token that was given may not read it" if asked.with_token else "no token was given"
    return HubError(
        f"{repo} does not exist, or is private, and {held} (HTTP {status}). Check the name at {page}, or give {where}"
    )


def _unknown(exists: bool, asked: Asked) -> HubError:
    repo, revision = asked.model.repo, asked.model.revision
    if exists:
        kind = "commit" if re.fullmatch("[0-9a-f]{40}", revision) else "branch, tag or commit"
        commits = f"{asked.endpoint}/{repo}/commits/main"
        return HubError(f"{repo} has no {kind} {revision}; its commits are listed at {commits}")
    return HubError(f"there is no model {repo} at {asked.endpoint}; expected Org/Name as in the address of its page")


def trouble(url: str, error: BaseException) -> Trouble | HubError:
    """What a broken connection means: something that may pass, but for a certificate that is not trusted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return HubError(
            f"the certificate of {origin(url)[1]} is not trusted ({error.verify_message}); "
            "if a proxy stands in between, name its CA bundle (archon:caBundle)"
        )
    if "Tunnel connection failed: 407" in str(error):
        return HubError(f"{_PROXY_USER} ({error})")
    return Trouble(f"{without_query(url)}: {str(error) or type(error).__name__}")


def without_query(url: str) -> str:
    """A URL without signatures and passwords."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))


def _retry_after(answer: Answer) -> float | None:
    """Seconds that the server asks for, given as a number or as a date."""
    asked = answer.headers.get("Retry-After")
    if asked is None:
        return None
    if asked.strip().isdigit():
        return float(asked)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None
