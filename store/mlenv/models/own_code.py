"""Lists the code of its own that a model's configuration names. That code is never run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..core.model import Model
from ..hub.download import DownloadRequest, download
from ..hub.hub import RemoteFile
from ..hub.mirrors import Mirrors

_FILES = ("config.json", "modules.json")
"""transformers' configuration, and the list of modules of sentence-transformers."""


def own_code(mirrors: Mirrors, model: Model, listing: Mapping[str, RemoteFile]) -> list[str]:
    """The Python files that the configuration of a model names as its own code, sorted. Raises HubError.

    A file of another repository is `ORG/NAME--FILE`, as transformers writes it.
    """
    files = [listing[name] for name in _FILES if name in listing]
    with tempfile.TemporaryDirectory(prefix="mlenv-code-") as work:
        into = Path(work, "files")
        into.mkdir()
        download(DownloadRequest(mirrors, model, files, into, Path(work, "parts")))
        config, modules = (_read(into / name) for name in _FILES)
    found = {*_of_transformers(config), *_of_sentence_transformers(modules)}
    return sorted(f"{module}.py" for module in found)


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Without it, or with something else in it, the model is of no use anyway: the server says why.
        return None


def _of_transformers(config: object) -> Iterator[str]:
    classes = config.get("auto_map") if isinstance(config, dict) else None
    if not isinstance(classes, dict):
        return
    for value in classes.values():
        # A tokenizer has two classes, of which one may be null.
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and "." in name:
                yield name.rpartition(".")[0]


def _of_sentence_transformers(modules: object) -> Iterator[str]:
    for module in modules if isinstance(modules, list) else []:
        name = module.get("type") if isinstance(module, dict) else None
        if isinstance(name, str) and "." in name and not name.startswith("sentence_transformers."):
            yield name.rpartition(".")[0]
