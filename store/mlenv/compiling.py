"""Byte code of one source, the same bytes from every process.

CPython shares equal constants of a module. Frozen sets of texts (`x in {"a", "b"}`) are shared or not depending on
whether their texts were interned before: by another module, or by an earlier compilation of this one. In the closure of
torch that was so for 1 in 2,000 sources. Compiled while a first result keeps all its texts interned, they always come
out the same, so that a lost file can be made again byte by byte.
"""

from __future__ import annotations

import importlib.util
import marshal
from collections.abc import Iterator
from types import CodeType

_UNCHECKED_HASH = 0b01
"""Flags of a .pyc that Python takes without looking at its source."""


def byte_code(source: bytes, path: str) -> bytes:
    """The content of a .pyc. `path` is where tracebacks say that the source is. Raises what `compile` raises."""
    *_, last = variants(source, path)
    return last


def variants(source: bytes, path: str) -> Iterator[bytes]:
    """What earlier versions may have made of it, then what `byte_code` gives."""
    first = _compile(source, path)
    if _holds_sets(first):
        yield _file(source, first)
        # The first one is alive all the while.
        yield _file(source, _compile(source, path))
    else:
        yield _file(source, first)


def _compile(source: bytes, path: str) -> CodeType:
    return compile(source, path, "exec", dont_inherit=True)


def _file(source: bytes, code: CodeType) -> bytes:
    flags = _UNCHECKED_HASH.to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source) + marshal.dumps(code)


def _holds_sets(code: CodeType) -> bool:
    return any(
        isinstance(constant, frozenset) or (isinstance(constant, CodeType) and _holds_sets(constant))
        for constant in code.co_consts
    )
