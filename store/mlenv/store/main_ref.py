"""`refs/main` of a model: the commit that huggingface_hub uses when a caller names none."""

from __future__ import annotations

from ..core import durable
from ..core.model import Model
from .store import Store


def update(store: Store, model: Model) -> None:
    """Point `main` to this snapshot."""
    path = store.main_ref(model)
    if path.exists() and path.read_text() == model.revision:
        return
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    durable.write_text(path, model.revision)


def names_a_snapshot(store: Store, model: Model) -> bool:
    """Whether `main` points to a snapshot that is in the store, or is missing."""
    path = store.main_ref(model)
    if not path.is_file():
        # A fetch was killed at its very end, or another tool wrote the model. Servers name the commit, not `main`.
        return True
    revision = path.read_text(errors="replace")
    return revision != "" and (store.hub / model.folder / "snapshots" / revision).is_dir()
