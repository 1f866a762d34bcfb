"""Imports what a server imports, in its image with its environment mounted, before any server runs from them.

Fails, and says why on its last line, when a package is missing, when two packages do not fit together, or when the
interpreter is another one than the environment was made for. Other errors are no reason to fail: a server has a
database, secrets and files that this container does not have.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback


def main() -> str | None:
    """What is wrong, or None."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--abi", help="tag of the interpreter that the environment was made for; none without one")
    parser.add_argument("--environment", action="append", default=[], help="module of the environment")
    parser.add_argument("--server", action="append", default=[], help="module of the server")
    arguments = parser.parse_args()
    abi = f"cp{sys.version_info.major}{sys.version_info.minor}"
    if arguments.abi is not None and abi != arguments.abi:
        return f"its image has Python for {abi}, and its environment was made for {arguments.abi}"
    absent = "its image does not have" if arguments.abi is None else "neither its image nor its environment has"
    for module in (*arguments.environment, *arguments.server):
        problem = import_problem(module, absent)
        if problem is not None:
            return problem
    return None


def import_problem(module: str, absent: str) -> str | None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        importer = place(error)
        if importer is None:
            return f"{absent} the module {error.name}"
        return f"{importer} imports the module {error.name}, which {absent}"
    except ImportError as error:
        return f"{place(error) or module} cannot import what it needs: {error}"
    except BaseException as error:
        print(f"The import of {module} ends with {type(error).__name__}: {error}. A server may have what it needs.")
    return None


def place(error: BaseException) -> str | None:
    """File and line of the import that failed; None when it is this program's own."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and frame.filename != importlib.__file__
    ]
    return f"{frames[-1].filename}, line {frames[-1].lineno}," if frames else None


if __name__ == "__main__":
    problem = main()
    if problem is not None:
        print(problem)
    sys.stdout.flush()
    # Threads that an import has started would keep the process alive.
    os._exit(0 if problem is None else 1)
