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

_TRANSFORMERS = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
"""transformers' configuration. A tokenizer or a processor can have code of its own while the model has none."""

_SENTENCE_TRANSFORMERS = "modules.json"
"""The list of modules of sentence-transformers."""


def own_code(mirrors: Mirrors, model: Model, listing: Mapping[str, RemoteFile]) -> list[str]:
    """The Python files that the configuration of a model names as its own code, sorted. Raises HubError.

    A file of another repository is `ORG/NAME--FILE`, as transformers writes it.
    """
    files = [listing[name] for name in (*_TRANSFORMERS, _SENTENCE_TRANSFORMERS) if name in listing]
    with tempfile.TemporaryDirectory(prefix="mlenv-code-") as work:
        into = Path(work, "files")
        into.mkdir()
        download(DownloadRequest(mirrors, model, files, into, Path(work, "parts")))
        configurations = [_read(into / name) for name in _TRANSFORMERS]
        modules = _read(into / _SENTENCE_TRANSFORMERS)
    found = {*_of_sentence_transformers(modules)}.union(*map(_of_transformers, configurations))
    return sorted(f"{module}.py" for module in found)


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Without it, or with something else in it, the model is of no use anyway: the server says why.
        return None


def _of_transformers(config: object) -> Iterator[str]:
    if not isinstance(config, dict):
        return
    classes, pipelines = (config.get(key) for key in ("auto_map", "custom_pipelines"))
    values = list(classes.values()) if isinstance(classes, dict) else []
    if isinstance(pipelines, dict):
        values += [each.get("impl") for each in pipelines.values() if isinstance(each, dict)]
    for value in values:
        # A tokenizer has two classes, of which one may be null.
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and "." in name:
                yield name.rpartition(".")[0]


def _of_sentence_transformers(modules: object) -> Iterator[str]:
    for module in modules if isinstance(modules, list) else []:
        name = module.get("type") if isinstance(module, dict) else None
        if isinstance(name, str) and "." in name and not name.startswith("sentence_transformers."):
            yield name.rpartition(".")[0]
