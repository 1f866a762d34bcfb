"""What is visible in a store."""

from __future__ import annotations

from pathlib import Path

from mlenv.store.store import Store


def visible_environments(store: Store) -> list[str]:
    """The keys below envs/."""
    return sorted(path.name for path in store.environments.iterdir())


def visible_snapshots(store: Store) -> list[str]:
    """`<folder>/<commit>` of every snapshot."""
    return sorted(f"{path.parent.parent.name}/{path.name}" for path in store.hub.glob("*/snapshots/*"))


def left_in_staging(store: Store) -> list[str]:
    """What lies in staging besides the lock files."""
    return sorted(path.name for path in store.staging.iterdir() if path.name != "locks")


def everything_below(root: Path) -> dict[str, bytes]:
    """Path -> content of every file."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
