"""A client of the Hugging Face hub's HTTP interface, as far as a pinned snapshot needs it: listing and files."""

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
from .http_client import BROKEN, Answer, Wire, origin
from .http_errors import Asked, refusal, trouble, without_query
from .retry import Patience, Trouble

TIMEOUT_SECONDS = 30.0
"""For connecting and for each read, not for a whole file: a line that is silent for so long counts as broken."""

_REDIRECTS = (301, 302, 303, 307, 308)
_LONGEST_CHAIN = 8


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
        asked = Asked(self.endpoint, model, start, self._token is not None)
        return refusal(answer, asked, lambda: self._exists(model))

    def _exists(self, model: Model) -> bool:
        try:
            with self._ask(f"{self.endpoint}/api/models/{model.repo}", {}) as answer:
                _drain(answer)
                return answer.status < 300
        except Trouble:
            return False


class Address:
    """Of one file of a model at one hub, for any number of threads."""

    def __init__(self, hub: Hub, model: Model, file: RemoteFile) -> None:
        self._hub = hub
        self._model = model
        self._file = file
        self._plain = hub.address(model, file.path)
        self._signed: str | None = None

    def open(self, at: int, end: int) -> Answer:
        """Ask for bytes `at` to `end`; the answer is that (206) or the whole file (200). Raises Trouble or HubError."""
        url = self._signed or self._plain
        # A whole file is asked for without a range: some servers and caches know nothing else.
        headers = {} if at == 0 and end == self._file.size else {"Range": f"bytes={at}-{end - 1}"}
        try:
            answer = self._hub.get(url, self._model, headers)
        except (Trouble, HubError) as error:
            if url == self._plain:
                raise
            # The hub makes a new one.
            self._signed = None
            if isinstance(error, Trouble):
                raise
            raise Trouble(str(error)) from error
        self._signed = answer.url if answer.url != self._plain else None
        with contextlib.ExitStack() as unless_right:
            unless_right.enter_context(answer)
            self._check(answer, at, end)
            unless_right.pop_all()
        return answer

    def _check(self, answer: Answer, at: int, end: int) -> None:
        """Raises WrongContentError if by its own headers the file is another one, Trouble if the answer is."""
        if answer.status == 206:
            found = answer.headers.get("Content-Range", "")
            match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", found)
            if match and match[3] not in ("*", str(self._file.size)):
                raise self.wrong(f"{match[3]} bytes, listed {self._file.size}")
            if not match or (int(match[1]), int(match[2])) != (at, end - 1):
                raise Trouble(f"{without_query(answer.url)}: asked for bytes {at}-{end - 1}, got {found or 'no range'}")
        elif (length := answer.headers.get("Content-Length")) and int(length) != self._file.size:
            raise self.wrong(f"{length} bytes, listed {self._file.size}")

    def wrong(self, problem: str) -> WrongContentError:
        """The error to raise for content that is not the listed one."""
        return WrongContentError(
            f"{self._model}: {self._file.path} is not what the hub lists: {problem} (from {self._hub}). "
            "Nothing of the model was put in place. Run this again; if it stays, a proxy or mirror changes files: "
            "use another endpoint (archon:hubEndpoint)."
        )


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
