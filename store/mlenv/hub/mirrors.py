"""Where models come from: an endpoint, and mirrors to try when it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..core import progress
from ..core.errors import HubError, WrongContentError
from ..core.model import Model
from .hub import TIMEOUT_SECONDS, Hub, RemoteFile
from .retry import ATTEMPTS, Backoff

ATTEMPTS_BEFORE_ANOTHER = 3
"""If there is another hub to try."""

Result = TypeVar("Result")


class Mirrors:
    """An endpoint and its mirrors, in the order in which they are tried; one that failed moves to the end.

    The token goes to the endpoint only. Every mirror must send content with the hashes of the one listing that
    `listing` returned, which is the endpoint's own whenever it answers.
    """

    def __init__(
        self, endpoint: str, mirrors: Sequence[str] = (), token: str | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._order = [Hub(endpoint, token, timeout), *(Hub(mirror, None, timeout) for mirror in mirrors)]

    def listing(self, model: Model) -> list[RemoteFile]:
        """All files of the commit. Raises HubError."""
        files, hub = self.try_each(lambda hub, attempts: (hub.listing(model, Backoff(str(hub), attempts)), hub))
        if hub.endpoint != self.endpoint:
            progress.info(f"{model}: the list of files and hashes comes from {hub}")
        return files

    def resolve(self, repo: str, branch: str) -> str:
        """The commit that a branch or tag stands for now. Raises HubError."""
        return self.try_each(lambda hub, attempts: hub.resolve(repo, branch, Backoff(str(hub), attempts)))

    def try_each(self, work: Callable[[Hub, int], Result]) -> Result:
        """The result of `work` with the first hub for which it succeeds; `work` gets the hub and how often to try.

        Raises HubError with the errors of all hubs.
        """
        problems: list[HubError] = []
        hubs = list(self._order)
        for hub in hubs:
            try:
                return work(hub, ATTEMPTS if len(hubs) == 1 else ATTEMPTS_BEFORE_ANOTHER)
            except HubError as error:
                problems.append(error)
                if len(hubs) > 1:
                    progress.info(str(error))
                self._order.remove(hub)
                self._order.append(hub)
        kind = WrongContentError if isinstance(problems[-1], WrongContentError) else HubError
        raise kind("\n".join(map(str, problems)))
