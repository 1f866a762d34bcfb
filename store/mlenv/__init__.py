"""The store tool that the bootstrap image carries: it fills a store with environments and models, and verifies them.

At run time it needs the standard library and uv, nothing else.
"""

TOOL_VERSION = "1"
"""Enters every manifest. It is raised when what a populate puts in place changes for the same lock."""
