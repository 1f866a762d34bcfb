"""The hubs that a model may come from: an endpoint, and mirrors to try when it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..core import progress
from ..core.errors import HubError, WrongContentError
from ..core.model import Model
from .hub import TIMEOUT_SECONDS, Hub, RemoteFile
from .retry import ATTEMPTS, Backoff

ATTEMPTS_WITH_MIRRORS = 3
"""Attempts at each hub if there is another one to try."""

Result = TypeVar("Result")


class Mirrors:
    """An endpoint and its mirrors, in the order in which they are tried; one that failed moves to the end.

    The token is sent to the endpoint only. Every mirror must send content that matches the one listing that `listing`
    returned, which is the endpoint's own whenever the endpoint answers.
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
        """The commit that a branch or tag points to now. Raises HubError."""
        return self.try_each(lambda hub, attempts: hub.resolve(repo, branch, Backoff(str(hub), attempts)))

    def try_each(self, work: Callable[[Hub, int], Result]) -> Result:
        """The result of `work`, called with a hub and the number of attempts, for the first hub where it succeeds.

        Raises HubError with the errors of all hubs.
        """
        errors: list[HubError] = []
        hubs = list(self._order)
        for hub in hubs:
            try:
                return work(hub, ATTEMPTS if len(hubs) == 1 else ATTEMPTS_WITH_MIRRORS)
            except HubError as error:
                errors.append(error)
                if len(hubs) > 1:
                    progress.info(str(error))
                self._order.remove(hub)
                self._order.append(hub)
        kind = WrongContentError if isinstance(errors[-1], WrongContentError) else HubError
        raise kind("\n".join(map(str, errors)))
