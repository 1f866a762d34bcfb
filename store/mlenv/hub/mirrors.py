"""Where models come from: an endpoint, and mirrors that are asked when it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..core import progress
from ..core.errors import HubError, WrongContentError
from ..core.model import Model
from .hub import TIMEOUT_SECONDS, Hub, RemoteFile
from .retry import ATTEMPTS, Patience

ATTEMPTS_BEFORE_ANOTHER = 3
"""Where there is another source to ask."""

Result = TypeVar("Result")


class Sources:
    """Hubs in the order in which they are asked; one that failed is asked last from then on.

    The token goes to the endpoint alone. Every source is held to the hashes of the one listing that `listing` returned,
    the endpoint's own whenever it answers.
    """

    def __init__(
        self, endpoint: str, mirrors: Sequence[str] = (), token: str | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._order = [Hub(endpoint, token, timeout), *(Hub(mirror, None, timeout) for mirror in mirrors)]

    def listing(self, model: Model) -> list[RemoteFile]:
        """All files of the commit. Raises HubError."""
        files, hub = self.ask(lambda hub, attempts: (hub.listing(model, Patience(str(hub), attempts)), hub))
        if hub.endpoint != self.endpoint:
            progress.say(f"{model}: the list of files and hashes is that of {hub}")
        return files

    def resolve(self, repo: str, branch: str) -> str:
        """The commit that a branch or tag stands for at the moment. Raises HubError."""
        return self.ask(lambda hub, attempts: hub.resolve(repo, branch, Patience(str(hub), attempts)))

    def ask(self, work: Callable[[Hub, int], Result]) -> Result:
        """The result of the first hub with which a piece of work succeeds; it gets the hub and how often to try.

        Raises HubError with what every one of them failed with.
        """
        problems: list[HubError] = []
        hubs = list(self._order)
        for hub in hubs:
            try:
                return work(hub, ATTEMPTS if len(hubs) == 1 else ATTEMPTS_BEFORE_ANOTHER)
            except HubError as error:
                problems.append(error)
                if len(hubs) > 1:
                    progress.say(str(error))
                self._order.remove(hub)
                self._order.append(hub)
        kind = WrongContentError if isinstance(problems[-1], WrongContentError) else HubError
        raise kind("\n".join(map(str, problems)))
