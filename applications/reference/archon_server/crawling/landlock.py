#!/usr/bin/env python3
"""Starts a browser confined by the kernel's Landlock. The browser's own sandbox cannot run in a hardened container.

The browser and all that it starts may read programs but not the server's data, write to their own directory, open TCP
connections only to the port of their proxy, and neither signal nor inspect other processes. The arguments are those of
the browser; CONFINED_PROGRAM, CONFINED_PORT and TMPDIR name the program, the port and the directory.
"""

import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path

COMPLETE = 6
"""The first version of Landlock that can restrict all of this."""

READ_ONLY = ("/bin", "/etc", "/lib", "/lib64", "/proc", "/sys", "/usr")
WRITABLE = ("/dev",)

# Numbers of system calls, and of their arguments, from the kernel's headers.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_BELOW_PATH, _TO_PORT = 1, 2
_READ = 0b1101
"""Execute, read files, list directories."""
_CONNECT_TCP = 0b10
_SOCKETS_AND_SIGNALS = 0b11
_NO_NEW_PRIVILEGES = 38

_libc = ctypes.CDLL(None, use_errno=True)


def available() -> int:
    """The version of Landlock that this kernel offers; 0 for none."""
    return max(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION)), 0)


def confine(port: int, directory: str) -> None:
    """Confines this process permanently, as far as this kernel can. Raises OSError if the kernel refuses."""
    version = available()
    if not version:
        return
    # Version 1 has 13 kinds of access to files; 2 adds moves between directories, 3 truncation.
    every_access = (1 << 13 + (version >= 2) + (version >= 3)) - 1
    restricted = [every_access]
    if version >= 4:
        restricted.append(_CONNECT_TCP)
    if version >= 6:
        restricted.append(_SOCKETS_AND_SIGNALS)
    ruleset = _call(_CREATE_RULESET, *_structure(*restricted), ctypes.c_uint32(0))
    for path in READ_ONLY:
        _allow_below(ruleset, path, _READ)
    for path in (*WRITABLE, directory):
        _allow_below(ruleset, path, every_access)
    if version >= 4:
        _add_rule(ruleset, _TO_PORT, _CONNECT_TCP, ctypes.c_uint64(port))
    _checked(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _allow_below(ruleset: int, path: str, access: int) -> None:
    if Path(path).exists():
        opened = os.open(path, os.O_PATH)
        _add_rule(ruleset, _BELOW_PATH, access, ctypes.c_int32(opened))
        os.close(opened)


def _structure(*numbers: int) -> tuple[ctypes.Array[ctypes.c_uint64], ctypes.c_size_t]:
    content = (ctypes.c_uint64 * len(numbers))(*numbers)
    return content, ctypes.c_size_t(ctypes.sizeof(content))


def _add_rule(ruleset: int, kind: int, access: int, target: ctypes.c_int32 | ctypes.c_uint64) -> None:
    content = ctypes.create_string_buffer(bytes(ctypes.c_uint64(access)) + bytes(target))
    _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(kind), content, ctypes.c_uint32(0))


def _call(*arguments: object) -> int:
    return _checked(_libc.syscall(*arguments))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result


def main(environment: Mapping[str, str]) -> None:
    program = environment["CONFINED_PROGRAM"]
    confine(int(environment["CONFINED_PORT"]), environment["TMPDIR"])
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main(os.environ)
