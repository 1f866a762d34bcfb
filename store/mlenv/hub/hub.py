"""A client of the Hugging Face Hub's HTTP interface, as far as a pinned snapshot needs it: commits, listings, files."""

from __future__ import annotations

import contextlib
import json
import posixpath
import re
import urllib.parse
from dataclasses import dataclass

from .. import TOOL_VERSION
from ..core.errors import HubError, UsageError, WrongContentError
from ..core.model import Model
from .http_client import CONNECTION_ERRORS, ConnectionPool, Response, origin, without_secrets
from .http_errors import RequestContext, classify_exception, classify_response
from .retry import Backoff, TransientError

TIMEOUT_SECONDS = 30.0
"""For connecting and for each read, not for a whole file: a connection that is silent for so long counts as broken."""

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 8


@dataclass(frozen=True)
class RemoteFile:
    """One file of a listing. Either `sha256` (large files) or `git` (the git blob id, sha1) identifies its content."""

    path: str
    size: int
    sha256: str | None
    git: str | None


class Hub:
    """A hub at one endpoint. The token is sent to the origin of the endpoint only, never to where it redirects."""

    def __init__(self, endpoint: str, token: str | None = None, timeout: float = TIMEOUT_SECONDS) -> None:
        self.endpoint = endpoint.rstrip("/")
        if urllib.parse.urlsplit(self.endpoint).scheme not in ("http", "https"):
            raise HubError(f"endpoint {endpoint!r}: expected a URL that starts with https:// or http://")
        self._token = token
        self._pool = ConnectionPool(timeout)

    def __str__(self) -> str:
        return f"the hub at {self.endpoint}"

    def interrupt(self) -> None:
        """End all reads of other threads from this hub."""
        self._pool.interrupt()

    def listing(self, model: Model, backoff: Backoff) -> list[RemoteFile]:
        """All files of the commit. Raises MlenvError."""
        url: str | None = f"{self.endpoint}/api/models/{model.repo}/tree/{model.revision}?recursive=true"
        files: list[RemoteFile] = []
        while url:
            body, url = self._page(url, model, backoff)
            try:
                files += [_remote_file(item) for item in json.loads(body) if item["type"] == "file"]
            except (ValueError, KeyError, TypeError) as error:
                raise HubError(
                    f"{self.endpoint} did not answer with a file listing ({type(error).__name__}: {error}); "
                    "expected the endpoint of a hub (archon:hubEndpoint)"
                ) from error
        return files

    def resolve(self, repo: str, branch: str, backoff: Backoff) -> str:
        """The commit, 40 hex digits, that a branch or tag points to now. Raises HubError."""
        model = Model(repo, branch)
        url = f"{self.endpoint}/api/models/{repo}/revision/{urllib.parse.quote(branch, safe='')}"
        body, _ = self._page(url, model, backoff)
        try:
            return Model.parse(repo, json.loads(body)["sha"]).revision
        except (ValueError, KeyError, TypeError, UsageError) as error:
            raise HubError(f"{self.endpoint} did not answer with the commit of {repo}@{branch} ({error})") from error

    def url_of(self, model: Model, path: str) -> str:
        """The hub's own URL of a file of the commit, which may redirect."""
        return f"{self.endpoint}/{model.repo}/resolve/{model.revision}/{urllib.parse.quote(path)}"

    def get(self, url: str, model: Model, headers: dict[str, str] | None = None) -> Response:
        """One GET that follows redirects; the response has a status below 300.

        Raises TransientError if a retry can help, HubError if not.
        """
        start = url
        for _ in range(_MAX_REDIRECTS):
            response = self._send(url, headers or {})
            if response.status in _REDIRECTS and "Location" in response.headers:
                with response:
                    target = urllib.parse.urljoin(url, response.headers["Location"])
                    _drain(response)
                if origin(url)[0] == "https" and origin(target)[0] != "https":
                    raise HubError(
                        f"{without_secrets(url)} redirects to {without_secrets(target)}, which is not encrypted; "
                        "refused"
                    )
                url = target
            elif response.status < 300:
                return response
            else:
                with response:
                    _drain(response)
                    raise self._classify(response, model, start)
        raise HubError(f"{without_secrets(start)} redirects in a circle")

    def _send(self, url: str, headers: dict[str, str]) -> Response:
        headers = {"User-Agent": f"mlenv/{TOOL_VERSION}", "Accept-Encoding": "identity", **headers}
        if self._token and origin(url) == origin(self.endpoint):
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            return self._pool.get(url, headers)
        except CONNECTION_ERRORS as error:
            raise classify_exception(url, error) from error

    def _page(self, url: str, model: Model, backoff: Backoff) -> tuple[bytes, str | None]:
        """The body of a response, and the URL of the next page, if there is one."""
        while True:
            try:
                with self.get(url, model) as response:
                    try:
                        body = response.read()
                    except CONNECTION_ERRORS as error:
                        raise classify_exception(url, error) from error
            except TransientError as error:
                backoff.wait_or_raise(error)
            else:
                backoff.reset()
                return body, _next_page(response)

    def _classify(self, response: Response, model: Model, start: str) -> HubError | TransientError:
        request = RequestContext(self.endpoint, model, start, self._token is not None)
        return classify_response(response, request, lambda: self._exists(model))

    def _exists(self, model: Model) -> bool:
        try:
            with self._send(f"{self.endpoint}/api/models/{model.repo}", {}) as response:
                _drain(response)
                return response.status < 300
        except TransientError:
            return False


class FileUrl:
    """The URL of one file of a model at one hub, for any number of threads.

    It is the hub's own URL, or the signed one that the hub redirected to, as long as that works.
    """

    def __init__(self, hub: Hub, model: Model, file: RemoteFile) -> None:
        self._hub = hub
        self._model = model
        self._file = file
        self._hub_url = hub.url_of(model, file.path)
        self._signed_url: str | None = None

    def open(self, start: int, end: int) -> Response:
        """Request the bytes from `start` up to, but without, `end`. The response has these (206) or the whole file
        (200). Raises TransientError or HubError."""
        url = self._signed_url or self._hub_url
        # A whole file is requested without a range: some servers and caches support nothing else.
        headers = {} if start == 0 and end == self._file.size else {"Range": f"bytes={start}-{end - 1}"}
        try:
            response = self._hub.get(url, self._model, headers)
        except (TransientError, HubError) as error:
            if url == self._hub_url:
                raise
            # The hub signs a new one.
            self._signed_url = None
            if isinstance(error, TransientError):
                raise
            raise TransientError(str(error)) from error
        self._signed_url = response.url if response.url != self._hub_url else None
        with contextlib.ExitStack() as close_on_error:
            close_on_error.enter_context(response)
            self._check(response, start, end)
            close_on_error.pop_all()
        return response

    def _check(self, response: Response, start: int, end: int) -> None:
        """Raises WrongContentError if the headers describe another file, TransientError if they describe another
        range."""
        if response.status == 206:
            found = response.headers.get("Content-Range", "")
            match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", found)
            if match and match[3] not in ("*", str(self._file.size)):
                raise self.wrong_content(f"{match[3]} bytes, listed {self._file.size}")
            if not match or (int(match[1]), int(match[2])) != (start, end - 1):
                raise TransientError(
                    f"{without_secrets(response.url)}: asked for bytes {start}-{end - 1}, got {found or 'no range'}"
                )
        elif (length := response.headers.get("Content-Length")) and int(length) != self._file.size:
            raise self.wrong_content(f"{length} bytes, listed {self._file.size}")

    def wrong_content(self, problem: str) -> WrongContentError:
        """The error for content that differs from the listing. `problem` says how."""
        return WrongContentError(
            f"{self._model}: {self._file.path} is not what the hub lists: {problem} (from {self._hub}). "
            "Nothing of the model is visible in the store. Run this again; if it fails again, a proxy or mirror "
            "changes files: use another endpoint (archon:hubEndpoint)."
        )


def _drain(response: Response) -> None:
    """Read the rest of a short body, so that the connection can be reused. After a long or broken body it is closed."""
    with contextlib.suppress(*CONNECTION_ERRORS):
        response.read(1 << 16)


def _remote_file(item: dict) -> RemoteFile:
    path, size, large = item["path"], item["size"], item.get("lfs") or {}
    if (
        not isinstance(path, str)
        or posixpath.normpath(path) != path
        or path.startswith(("/", "../"))
        or path in (".", "..")
    ):
        raise HubError(f"the hub lists a file {path!r}, which is not a path inside a model; refused")
    sha256, git = large.get("oid"), item.get("oid")
    # For a large file the git blob holds a pointer only, so its id says nothing about the content.
    return RemoteFile(path, int(large.get("size", size)), sha256, None if sha256 else git)


def _next_page(response: Response) -> str | None:
    match = re.search(r'<([^>]+)>;\s*rel="next"', response.headers.get("Link", ""))
    return urllib.parse.urljoin(response.url, match[1]) if match else None
