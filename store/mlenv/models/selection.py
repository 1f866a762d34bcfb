"""Which files of a model repository a server needs: the weights in one format, not in every format that was
uploaded."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

OTHER_FORMATS = (
    "*.gguf",
    "*.h5",
    "*.msgpack",
    "*.onnx",
    "*.onnx_data",
    "*.ot",
    "*.tflite",
    "*.mlmodel",
    "*.ckpt",
)
"""Weights for other frameworks than PyTorch."""

OTHER_DIRECTORIES = ("onnx", "openvino", "coreml")


def select(paths: Iterable[str], allow: Sequence[str] = (), ignore: Sequence[str] = ()) -> list[str]:
    """The selected paths, sorted. Patterns are shell patterns over the whole path; `*` also matches `/`.

    With `allow`: only what matches it. Without: everything except weights in other formats, hidden files, and PyTorch's
    old pickles (*.bin, *.pt, *.pth) beside safetensors. What matches `ignore` is removed in both cases.
    """
    every = sorted(paths)
    chosen = [path for path in every if _matches(path, allow)] if allow else _usual(every)
    return [path for path in chosen if not _matches(path, ignore)]


def _usual(paths: Sequence[str]) -> list[str]:
    safe = {posixpath.dirname(path) for path in paths if path.endswith(".safetensors")}
    return [path for path in paths if not _unusual(path, safe)]


def _unusual(path: str, safe: set[str]) -> bool:
    directory, name = posixpath.split(path)
    return (
        any(part.startswith(".") for part in path.split("/"))
        or path.split("/")[0] in OTHER_DIRECTORIES
        or _matches(name, OTHER_FORMATS)
        or (directory in safe and _matches(name, ("*.bin", "*.bin.index.json", "*.pt", "*.pth")))
    )


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
