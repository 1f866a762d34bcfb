"""`python3 -m mlenv`."""

import sys

from .cli import main

sys.exit(main())
