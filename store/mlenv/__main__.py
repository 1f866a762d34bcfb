"""`python3 -m mlenv`."""

import sys

from .cli.main import main

sys.exit(main())
