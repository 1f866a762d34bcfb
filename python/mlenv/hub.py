"""A client of the Hugging Face hub's HTTP interface, as far as a pinned snapshot needs it: listing and files."""

from __future__ import annotations

import contextlib
import email.utils
import json
import posixpath
import re
import ssl
import time
import urllib.parse
from dataclasses import dataclass

from . import TOOL_VERSION
from .errors import HubError, UsageError
from .patience import Patience, Trouble
from .store import Model
from .wire import BROKEN, Answer, Wire, origin

TIMEOUT_SECONDS = 30.0
"""For connecting and for each read, not for a whole file: a line that is silent for so long counts as broken."""

_REDIRECTS = (301, 302, 303, 307, 308)
_LONGEST_CHAIN = 8
_PROXY_USER = "the proxy wants a user: set HTTPS_PROXY to http://user:password@host:port"


@dataclass(frozen=True)
class RemoteFile:
    """One file of a listing. Either `sha256` (large files) or `git` (the git blob id, sha1) proves its content."""

    path: str
    size: int
    sha256: str | None
    git: str | None


class Hub:
    """One endpoint. The token goes to its own scheme, host and port, and to no other place that it redirects to."""

    def __init__(self, endpoint: str, token: str | None = None, timeout: float = TIMEOUT_SECONDS) -> None:
        self.endpoint = endpoint.rstrip("/")
        if urllib.parse.urlsplit(self.endpoint).scheme not in ("http", "https"):
            raise HubError(f"endpoint {endpoint!r}: expected a URL that starts with https:// or http://")
        self._token = token
        self._wire = Wire(timeout)

    def __str__(self) -> str:
        return f"the hub at {self.endpoint}"

    def interrupt(self) -> None:
        """End what other threads read from this hub."""
        self._wire.interrupt()

    def listing(self, model: Model, patience: Patience) -> list[RemoteFile]:
        """All files of the commit. Raises MlenvError."""
        url: str | None = f"{self.endpoint}/api/models/{model.repo}/tree/{model.revision}?recursive=true"
        files: list[RemoteFile] = []
        while url:
            body, url = self._page(url, model, patience)
            try:
                files += [_remote_file(item) for item in json.loads(body) if item["type"] == "file"]
            except (ValueError, KeyError, TypeError) as error:
                raise HubError(
                    f"{self.endpoint} did not answer with a file listing ({type(error).__name__}: {error}); "
                    "expected the endpoint of a hub (archon:hubEndpoint)"
                ) from error
        return files

    def resolve(self, repo: str, branch: str, patience: Patience) -> str:
        """The commit, 40 hex digits, that a branch or tag stands for at the moment. Raises HubError."""
        model = Model(repo, branch)
        url = f"{self.endpoint}/api/models/{repo}/revision/{urllib.parse.quote(branch, safe='')}"
        body, _ = self._page(url, model, patience)
        try:
            return Model.parse(repo, json.loads(body)["sha"]).revision
        except (ValueError, KeyError, TypeError, UsageError) as error:
            raise HubError(f"{self.endpoint} did not answer with the commit of {repo}@{branch} ({error})") from error

    def address(self, model: Model, path: str) -> str:
        """Where the hub has a file of the commit, or the redirect to it."""
        return f"{self.endpoint}/{model.repo}/resolve/{model.revision}/{urllib.parse.quote(path)}"

    def get(self, url: str, model: Model, headers: dict[str, str] | None = None) -> Answer:
        """One GET through its redirects; the answer has a status below 300.

        Raises Trouble where trying again can help, HubError where it cannot.
        """
        start = url
        for _ in range(_LONGEST_CHAIN):
            answer = self._ask(url, headers or {})
            if answer.status in _REDIRECTS and "Location" in answer.headers:
                with answer:
                    target = urllib.parse.urljoin(url, answer.headers["Location"])
                    _drain(answer)
                if origin(url)[0] == "https" and origin(target)[0] != "https":
                    raise HubError(
                        f"{without_query(url)} redirects to {without_query(target)}, which is not encrypted; refused"
                    )
                url = target
            elif answer.status < 300:
                return answer
            else:
                with answer:
                    _drain(answer)
                    raise self._refusal(answer, model, start)
        raise HubError(f"{without_query(start)} redirects in a circle")

    def _ask(self, url: str, headers: dict[str, str]) -> Answer:
        headers = {"User-Agent": f"mlenv/{TOOL_VERSION}", "Accept-Encoding": "identity", **headers}
        if self._token and origin(url) == origin(self.endpoint):
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            return self._wire.get(url, headers)
        except BROKEN as error:
            raise trouble(url, error) from error

    def _page(self, url: str, model: Model, patience: Patience) -> tuple[bytes, str | None]:
        while True:
            try:
                with self.get(url, model) as answer:
                    try:
                        body = answer.read()
                    except BROKEN as error:
                        raise trouble(url, error) from error
            except Trouble as error:
                patience.bear(error)
            else:
                patience.restore()
                return body, _next_page(answer)

    def _refusal(self, answer: Answer, model: Model, start: str) -> HubError | Trouble:
        """What an answer means that is neither the thing nor a redirect to it. `start` is what was asked for."""
        status, shown = answer.status, without_query(answer.url)
        code = answer.headers.get("X-Error-Code", "")
        if status in (408, 425, 429) or status >= 500:
            return Trouble(f"{shown}: HTTP {status}", _retry_after(answer))
        if status == 407:
            return HubError(f"{_PROXY_USER} (HTTP 407 for {shown})")
        if origin(answer.url) != origin(self.endpoint):
            # Signed addresses run out. The hub itself makes a new one.
            return Trouble(f"{shown}: HTTP {status}, the signed address is not valid any more")
        page = f"{self.endpoint}/{model.repo}"
        where = "the token of a user who may read it, as secret configuration archon:hubToken (HF_TOKEN of this tool)"
        if code == "GatedRepo" or (status == 403 and not code):
            return HubError(f"{model.repo} is gated (HTTP {status}): accept its licence at {page} and give {where}")
        if status in (401, 403):
            held = "the token that was given may not read it" if self._token else "no token was given"
            return HubError(
                f"{model.repo} does not exist, or is private, and {held} (HTTP {status}). "
                f"Check the name at {page}, or give {where}"
            )
        if status == 404 and "/resolve/" not in start:
            if code == "RevisionNotFound" or (not code and self._exists(model)):
                kind = "commit" if re.fullmatch("[0-9a-f]{40}", model.revision) else "branch, tag or commit"
                return HubError(
                    f"{model.repo} has no {kind} {model.revision}; its commits are listed at {page}/commits/main"
                )
            return HubError(
                f"there is no model {model.repo} at {self.endpoint}; expected Org/Name as in the address of its page"
            )
        return HubError(f"{self.endpoint} answered HTTP {status} for {shown}")

    def _exists(self, model: Model) -> bool:
        try:
            with self._ask(f"{self.endpoint}/api/models/{model.repo}", {}) as answer:
                _drain(answer)
                return answer.status < 300
        except Trouble:
            return False


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


def _drain(answer: Answer) -> None:
    """Read what is left of a short body, so that the connection can be kept; a long or broken one closes it."""
    with contextlib.suppress(*BROKEN):
        answer.read(1 << 16)


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


def _next_page(answer: Answer) -> str | None:
    match = re.search(r'<([^>]+)>;\s*rel="next"', answer.headers.get("Link", ""))
    return urllib.parse.urljoin(answer.url, match[1]) if match else None


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
