"""Named steps at which a test can kill this process as a power cut would: at once, without running any handler."""

from __future__ import annotations

import os
import signal

VARIABLE = "MLENV_FAILPOINT"

# Stable names: tests of other programs use them.
STEPS = (
    "init.directories",
    "init.data",
    "init.format",
    "populate.locked",
    "populate.preflight",
    "populate.staged",
    "populate.installing",
    "populate.installed",
    "populate.compiling",
    "populate.compiled",
    "populate.hashed",
    "populate.imported",
    "populate.manifest",
    "populate.synced",
    "populate.cached",
    "populate.renamed",
    "fetch.locked",
    "fetch.listed",
    "fetch.preflight",
    "fetch.downloading",
    "fetch.part",
    "fetch.recorded",
    "fetch.file",
    "fetch.extracting",
    "fetch.complete",
    "fetch.synced",
    "fetch.manifest",
    "fetch.renamed",
    "fetch.reference",
    "repair.locked",
    "repair.found",
    "repair.papers",
    "repair.removed",
    "repair.fetched",
    "repair.installed",
    "repair.compiled",
    "repair.proven",
    "repair.synced",
    "repair.switched",
    "hold.written",
    "collect.referenced",
    "collect.dereferenced",
    "collect.snapshot",
    "collect.paper",
    "collect.environment",
    "collect.pointer",
    "collect.cached",
    "collect.hidden",
    "collect.deleting",
    "collect.deleted",
    "purge.hidden",
    "purge.deleting",
    "purge.deleted",
    "record.written",
    "import.extracting",
    "import.extracted",
    "import.synced",
    "import.manifest",
    "import.snapshot",
    "import.environment",
)


def reach(step: str) -> None:
    """Die here if the environment variable names this step. An unknown step is a bug of this tool."""
    if step not in STEPS:
        raise ValueError(f"{step!r} is not among the fail points")
    if os.environ.get(VARIABLE) == step:
        os.kill(os.getpid(), signal.SIGKILL)
        # The first process of a container is exempt from its own SIGKILL; its exit ends all others just as well.
        os._exit(128 + signal.SIGKILL)
