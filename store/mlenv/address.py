"""Where a file's bytes are to be had: at the hub's own address, and at the one it redirects to while that works."""

from __future__ import annotations

import contextlib
import re

from .errors import HubError, WrongContentError
from .hub import Hub, RemoteFile
from .model import Model
from .patience import Trouble
from .refusals import without_query
from .wire import Answer


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
