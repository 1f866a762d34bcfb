"""Errors that a person can act on. Any other exception is a bug of this tool and keeps its traceback."""

from __future__ import annotations

import errno


class MlenvError(Exception):
    """A message for people: what happened, the value received, what is allowed, what to do next."""

    status = 1
    """Exit status of a command that ends with this error."""


class UsageError(MlenvError):
    """The command line or standard input cannot be used as given."""

    status = 2


class DamageFoundError(MlenvError):
    """Something in the store does not match its manifest. The command has looked at everything."""

    status = 3


class NotInStoreError(MlenvError):
    """The target is not in the store."""


class NoSpaceError(MlenvError):
    """The file system of the store is full, or would become full."""


class HubError(MlenvError):
    """A hub refused, could not be reached, or sent something unexpected."""


class WrongContentError(HubError):
    """The content that a hub sent differs from its listing."""


class DamagedPackagesError(MlenvError):
    """Installed files differ from what their wheels recorded.

    `packages` are the canonical names, so that a caller can remove just these from the wheel cache and install again.
    """

    def __init__(self, message: str, packages: frozenset[str]) -> None:
        super().__init__(message)
        self.packages = packages


def is_no_space(error: BaseException) -> bool:
    """Whether an operating system error means a full disk or an exhausted quota."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def advice(error: OSError) -> str | None:
    """What to do about an operating system error, or None if it can only be a bug of this tool."""
    if is_no_space(error):
        return (
            f"the disk is full ({error}). Free space on the file system of the store, or move the store (archon:root), "
            "and run this again."
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO):
        return (
            f"the store cannot be used: {error}. It must lie on a healthy file system that root in a container may "
            "write to. Fix that, or move the store (archon:root), and run this again."
        )
    return None
