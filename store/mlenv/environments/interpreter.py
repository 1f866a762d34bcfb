"""The interpreter of this image. Environments and lock files are made for it and for no other."""

from __future__ import annotations

import sys

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
"""As in the name of a wheel, such as cp311."""

SITE_PACKAGES = f"lib/python{VERSION}/site-packages"
"""Where packages lie below a user base."""

PLATFORM = "x86_64-manylinux_2_28"
"""uv's name of the platform that lock files are for, unless they are locked for another one."""
