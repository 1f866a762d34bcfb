"""Classifies failed requests to a hub: a TransientError is worth a retry, a HubError needs a person."""

from __future__ import annotations

import email.utils
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..core.errors import HubError
from ..core.model import Model
from .http_client import Response, origin, without_secrets
from .retry import TransientError

_PROXY_USER = "the proxy requires a user: set HTTPS_PROXY to http://user:password@host:port"


@dataclass(frozen=True)
class RequestContext:
    """What an error message needs to know about a request: whether it carried a token, and what it asked for."""

    endpoint: str
    model: Model
    url: str
    with_token: bool


def classify_response(
    response: Response, request: RequestContext, exists: Callable[[], bool]
) -> HubError | TransientError:
    """What a response with an error status means. `exists` says whether the hub knows the model."""
    status, shown = response.status, without_secrets(response.url)
    code = response.headers.get("X-Error-Code", "")
    if status in (408, 425, 429) or status >= 500:
        return TransientError(f"{shown}: HTTP {status}", _retry_after(response))
    if status == 407:
        return HubError(f"{_PROXY_USER} (HTTP 407 for {shown})")
    if origin(response.url) != origin(request.endpoint):
        # The signed URL has expired. The hub signs a new one.
        return TransientError(f"{shown}: HTTP {status}, the signed URL is no longer valid")
    if status in (401, 403):
        return _forbidden(status, code, request)
    if status == 404 and "/resolve/" not in request.url:
        return _not_found(code == "RevisionNotFound" or (not code and exists()), request)
    return HubError(f"{request.endpoint} answered HTTP {status} for {shown}")


def _forbidden(status: int, code: str, request: RequestContext) -> HubError:
    repo, page = request.model.repo, f"{request.endpoint}/{request.model.repo}"
    where = "the token of a user who may read it, as secret configuration archon:hubToken (HF_TOKEN of this tool)"
    if code == "GatedRepo" or (status == 403 and not code):
        return HubError(f"{repo} is gated (HTTP {status}): accept its licence at {page} and give {where}")
    token = "the token that was given may not read it" if request.with_token else "no token was given"
    return HubError(
        f"{repo} does not exist, or is private, and {token} (HTTP {status}). Check the name at {page}, or give {where}"
    )


def _not_found(repo_exists: bool, request: RequestContext) -> HubError:
    repo, revision = request.model.repo, request.model.revision
    if repo_exists:
        kind = "commit" if re.fullmatch("[0-9a-f]{40}", revision) else "branch, tag or commit"
        commits = f"{request.endpoint}/{repo}/commits/main"
        return HubError(f"{repo} has no {kind} {revision}; its commits are listed at {commits}")
    return HubError(f"there is no model {repo} at {request.endpoint}; expected Org/Name as in the address of its page")


def classify_exception(url: str, error: BaseException) -> TransientError | HubError:
    """What a broken connection means: a transient error, unless the certificate is not trusted or the proxy needs a
    user."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return HubError(
            f"the certificate of {origin(url)[1]} is not trusted ({error.verify_message}); "
            "if a proxy intercepts the connection, set its CA bundle (archon:caBundle)"
        )
    if "Tunnel connection failed: 407" in str(error):
        return HubError(f"{_PROXY_USER} ({error})")
    return TransientError(f"{without_secrets(url)}: {str(error) or type(error).__name__}")


def _retry_after(response: Response) -> float | None:
    """The Retry-After header in seconds; it may be a number or a date."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
