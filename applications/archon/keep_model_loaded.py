"""Keeps every CrossEncoder that a process has loaded, so that the next one with the same arguments is there at once.

Archon makes a CrossEncoder for every search, which reads the weights every time. A file `.pth` beside the packages
imports this module when Python starts. It does nothing unless the variable ARCHON_KEEP_MODEL_LOADED is 1, and loads
nothing itself: it waits until the server imports sentence_transformers.

Two objects with the same arguments share their weights and their tokenizer. That is safe as long as the server scores
one search at a time, as Archon does: tokenizers of Hugging Face must not be used by two threads at once.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

VARIABLE = "ARCHON_KEEP_MODEL_LOADED"
PACKAGE = "sentence_transformers"


class Finder(importlib.abc.MetaPathFinder):
    """Changes PACKAGE right after it is imported."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = then_keep_models(spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def then_keep_models(execute: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    def execute_and_change(module: ModuleType) -> None:
        execute(module)
        module.CrossEncoder.__init__ = keep_loaded(module.CrossEncoder.__init__)

    return execute_and_change


def keep_loaded(load: Callable[..., None]) -> Callable[..., None]:
    """A constructor that gives an object the state of an earlier one with the same class and arguments."""
    states: dict[tuple[type, str], dict[str, Any]] = {}
    lock = threading.Lock()

    @functools.wraps(load)
    def initialise(self: Any, *args: Any, **kwargs: Any) -> None:
        key = (type(self), repr((args, sorted(kwargs.items()))))
        with lock:
            if key not in states:
                load(self, *args, **kwargs)
                states[key] = dict(vars(self))
            else:
                vars(self).update(states[key])

    return initialise


if os.environ.get(VARIABLE) == "1":
    sys.meta_path.insert(0, Finder())
