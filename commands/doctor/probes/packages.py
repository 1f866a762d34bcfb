"""Prints where Python finds modules, as JSON. Imports none of them. The modules are the arguments.

Runs inside a server's container, on standard input.
"""

import importlib.util
import json
import site
import sys


def place_of(module: str) -> str | None:
    """The file or directory of a module, or None if Python does not find it."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    return spec.origin or next(iter(spec.submodule_search_locations or []), None)


print(json.dumps({"userSite": site.getusersitepackages(), "modules": {name: place_of(name) for name in sys.argv[1:]}}))
