"""Selects the files of a model repository that a server needs: the weights in one format instead of in all formats."""

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
"""Top-level directories with weights for other frameworks."""


def select(paths: Iterable[str], allow: Sequence[str] = (), ignore: Sequence[str] = ()) -> list[str]:
    """The selected paths, sorted. Patterns are shell patterns over the whole path; `*` also matches `/`.

    With `allow`: what matches it. Without: everything except weights in other formats, hidden files, and PyTorch's old
    pickles (*.bin, *.pt, *.pth) in a directory that has safetensors. What matches `ignore` is left out in both cases.
    """
    ordered = sorted(paths)
    chosen = [path for path in ordered if _matches(path, allow)] if allow else _default_selection(ordered)
    return [path for path in chosen if not _matches(path, ignore)]


def _default_selection(paths: Sequence[str]) -> list[str]:
    with_safetensors = {posixpath.dirname(path) for path in paths if path.endswith(".safetensors")}
    return [path for path in paths if not _is_left_out(path, with_safetensors)]


def _is_left_out(path: str, with_safetensors: set[str]) -> bool:
    directory, name = posixpath.split(path)
    return (
        any(part.startswith(".") for part in path.split("/"))
        or path.split("/")[0] in OTHER_DIRECTORIES
        or _matches(name, OTHER_FORMATS)
        or (directory in with_safetensors and _matches(name, ("*.bin", "*.bin.index.json", "*.pt", "*.pth")))
    )


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
