"""`python3 -m archon_server.derive`: makes a variant of a model snapshot. See `reranking.quantize`.

This module's name is stable: the program and its commands start it in images of other releases.
"""

import sys

from .reranking.quantize import main

if __name__ == "__main__":
    sys.exit(main())
