"""A model is named by its repository and a commit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import UsageError

_REPO_PART = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Model:
    """A model repository at one commit."""

    repo: str
    revision: str

    @staticmethod
    def parse(repo: str, revision: str) -> Model:
        """Check both parts. Raises UsageError that lists every problem."""
        problems = []
        parts = repo.split("/")
        if len(parts) != 2 or not all(_REPO_PART.fullmatch(part) for part in parts):
            problems.append(
                f"repository {repo!r}: expected Org/Name, of letters, digits, '-', '_' and '.' without '--' and '..'"
            )
        if not _REVISION.fullmatch(revision):
            problems.append(f"revision {revision!r}: expected a full commit of 40 hex digits; a branch or tag can move")
        if problems:
            raise UsageError("; ".join(problems))
        return Model(repo, revision)

    @staticmethod
    def from_name(name: str) -> Model:
        """The model that prints as `Org/Name@<commit>`. Raises UsageError."""
        repo, _, revision = name.partition("@")
        return Model.parse(repo, revision)

    @staticmethod
    def from_folder(folder: str, revision: str) -> Model:
        """The model whose snapshots lie in a folder `models--Org--Name` of the store. The name is not checked."""
        return Model(folder.removeprefix("models--").replace("--", "/", 1), revision)

    @property
    def folder(self) -> str:
        return "models--" + self.repo.replace("/", "--")

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}"
