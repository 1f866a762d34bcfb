"""`python3 -m archon_server.proof`: prints the baselines of the loaded models. See `reranking.baseline_report`.

This module's name is stable: the program starts it in images of other releases.
"""

import sys

from .reranking.baseline_report import main

if __name__ == "__main__":
    sys.exit(main())
