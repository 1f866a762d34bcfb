"""A client of the Hugging Face hub's HTTP interface, as far as a pinned snapshot needs it: listing and files."""

from __future__ import annotations

import email.utils
import json
import posixpath
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse

from . import TOOL_VERSION, progress
from .errors import MlenvError
from .store import Model

TIMEOUT_SECONDS = 30.0
"""For connecting and for each read, not for a whole file."""

ATTEMPTS = 6
"""Without progress in between. With the pauses below: about a minute of trying."""

LONGEST_PAUSE_SECONDS = 60.0

TRANSIENT = (OSError, HTTPException)
"""What a broken connection raises; HTTP statuses are judged separately."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a listing. Either `sha256` (large files) or `git` (the git blob id, sha1) proves its content."""

    path: str
    size: int
    sha256: str | None
    git: str | None


class HubError(MlenvError):
    """The hub refused, or could not be understood or reached."""


class Hub:
    """One endpoint. The token goes to its own scheme, host and port, and to no other place that it redirects to."""

    def __init__(self, endpoint: str, token: str | None, sleep: Callable[[float], None] = time.sleep) -> None:
        self.endpoint = endpoint.rstrip("/")
        if urllib.parse.urlsplit(self.endpoint).scheme not in ("http", "https"):
            raise HubError(f"endpoint {endpoint!r}: expected a URL that starts with https:// or http://")
        self._token = token
        self._sleep = sleep
        self._opener = urllib.request.build_opener(_Redirects(self._authorise, self.endpoint))

    def listing(self, model: Model) -> list[RemoteFile]:
        """All files of the commit. Raises HubError."""
        url: str | None = f"{self.endpoint}/api/models/{model.repo}/tree/{model.revision}?recursive=true"
        files: list[RemoteFile] = []
        while url:
            with self.get(url, model) as response:
                body = response.read()
                url = _next_page(response)
            try:
                files += [_remote_file(item) for item in json.loads(body) if item["type"] == "file"]
            except (ValueError, KeyError, TypeError) as error:
                raise HubError(
                    f"{self.endpoint} did not answer with a file listing ({type(error).__name__}: {error}); "
                    "expected the endpoint of a hub (archon:hubEndpoint)"
                ) from error
        return files

    def open(self, model: Model, path: str, offset: int = 0) -> tuple[HTTPResponse, int]:
        """Start to read a file at an offset; returns the response and the offset at which it really starts."""
        url = f"{self.endpoint}/{model.repo}/resolve/{model.revision}/{urllib.parse.quote(path)}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        response = self.get(url, model, headers)
        started = (
            re.match(r"bytes (\d+)-", response.headers.get("Content-Range", "")) if response.status == 206 else None
        )
        return response, int(started[1]) if started else 0

    def get(self, url: str, model: Model, headers: dict[str, str] | None = None) -> HTTPResponse:
        """One GET that is tried again when that can help. Raises HubError with the last reason."""
        attempt = 0
        while True:
            attempt += 1
            request = urllib.request.Request(url, headers={"User-Agent": f"mlenv/{TOOL_VERSION}", **(headers or {})})
            self._authorise(request)
            try:
                return self._opener.open(request, timeout=TIMEOUT_SECONDS)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code != 429 and error.code < 500:
                        raise self._refusal(error, model, url) from None
                    reason, pause = f"HTTP {error.code}", _retry_after(error)
            except TRANSIENT as error:
                _reject_certificate(error, self.endpoint)
                reason, pause = str(getattr(error, "reason", error)) or type(error).__name__, None
            self.pause(attempt, f"{_without_query(url)}: {reason}", pause)

    def pause(self, attempt: int, reason: str, seconds: float | None = None) -> None:
        """Wait before the next attempt. Raises HubError when this was the last one."""
        if attempt >= ATTEMPTS:
            raise HubError(
                f"gave up on the hub at {self.endpoint} after {attempt} attempts; last: {reason}. Check the network, "
                "the proxy and the CA bundle, or name an endpoint that answers (archon:hubEndpoint). "
                "What was fetched so far is kept for the next run."
            )
        seconds = min(2.0 ** (attempt - 1) if seconds is None else seconds, LONGEST_PAUSE_SECONDS)
        progress.say(f"{reason}; trying again in {seconds:.0f} s ({attempt} of {ATTEMPTS - 1})")
        self._sleep(seconds)

    def _authorise(self, request: urllib.request.Request) -> None:
        if self._token and _origin(request.full_url) == _origin(self.endpoint):
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")

    def _refusal(self, error: urllib.error.HTTPError, model: Model, url: str) -> HubError:
        code = error.headers.get("X-Error-Code", "")
        page = f"{self.endpoint}/{model.repo}"
        where = "the token of a user who may read it, as secret configuration archon:hubToken (HF_TOKEN of this tool)"
        if code == "GatedRepo" or (error.code == 403 and not code):
            return HubError(f"{model.repo} is gated (HTTP {error.code}): accept its licence at {page} and give {where}")
        if error.code in (401, 403):
            held = "the token that was given may not read it" if self._token else "no token was given"
            return HubError(
                f"{model.repo} does not exist, or is private, and {held} (HTTP {error.code}). "
                f"Check the name at {page}, or give {where}"
            )
        if error.code == 404 and "/resolve/" not in url:
            if code == "RevisionNotFound" or (not code and self._exists(model)):
                return HubError(
                    f"{model.repo} has no commit {model.revision}; its commits are listed at {page}/commits/main"
                )
            return HubError(
                f"there is no model {model.repo} at {self.endpoint}; expected Org/Name as in the address of its page"
            )
        return HubError(f"{self.endpoint} answered HTTP {error.code} {error.reason} for {_without_query(url)}")

    def _exists(self, model: Model) -> bool:
        request = urllib.request.Request(f"{self.endpoint}/api/models/{model.repo}")
        self._authorise(request)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS):
                return True
        except TRANSIENT:
            return False


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects without taking the token to another host, and never from https to http."""

    def __init__(self, authorise: Callable[[urllib.request.Request], None], endpoint: str) -> None:
        self._authorise_request = authorise
        self._endpoint = endpoint

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if _origin(req.full_url)[0] == "https" and _origin(newurl)[0] != "https":
            raise HubError(
                f"{_without_query(req.full_url)} redirects to {_without_query(newurl)}, which is not encrypted; refused"
            )
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None:
            self._authorise_request(request)
        return request


def _remote_file(item: dict) -> RemoteFile:
    path, size, large = item["path"], item["size"], item.get("lfs") or {}
    if (
        not isinstance(path, str)
        or posixpath.normpath(path) != path
        or path.startswith(("/", "../"))
        or path in (".", "..")
    ):
        raise HubError(f"the hub lists a file {path!r}, which is no path inside a model; refused")
    sha256, git = large.get("oid"), item.get("oid")
    # Of a large file the git blob is only the pointer, so its id says nothing about the content.
    return RemoteFile(path, int(large.get("size", size)), sha256, None if sha256 else git)


def _next_page(response: HTTPResponse) -> str | None:
    match = re.search(r'<([^>]+)>;\s*rel="next"', response.headers.get("Link", ""))
    return urllib.parse.urljoin(response.url, match[1]) if match else None


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    """Seconds that the server asks for, given as a number or as a date."""
    asked = error.headers.get("Retry-After")
    if asked is None:
        return None
    if asked.strip().isdigit():
        return float(asked)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None


def _reject_certificate(error: BaseException, endpoint: str) -> None:
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise HubError(
            f"the certificate of {endpoint} is not trusted ({reason.verify_message}); "
            "if a proxy stands in between, name its CA bundle (archon:caBundle)"
        ) from error


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _without_query(url: str) -> str:
    """Without signatures and passwords."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))
