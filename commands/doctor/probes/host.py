"""Prints what the engine's host has, as JSON.

That is the largest packet (MTU, in bytes) that leaves it by its default route, and the release of NVIDIA's driver.

Runs in the bootstrap image with the network of the host.
"""

import json
import re
from pathlib import Path

UP_AND_GATEWAY = 0x3
DRIVER = Path("/proc/driver/nvidia/version")


def default_interface() -> str | None:
    """The interface of the default route of IPv4."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        interface, destination, _, flags, *_ = line.split()
        if destination == "00000000" and int(flags, 16) & UP_AND_GATEWAY == UP_AND_GATEWAY:
            return interface
    return None


def driver() -> str | None:
    """The release of the driver that the kernel has loaded, such as 550.54.15."""
    found = re.search(r"Kernel Module\D*([\d.]+)", DRIVER.read_text()) if DRIVER.is_file() else None
    return None if found is None else found[1]


interface = default_interface()
mtu = None if interface is None else int(Path(f"/sys/class/net/{interface}/mtu").read_text())
print(json.dumps({"interface": interface, "mtu": mtu, "nvidiaDriver": driver()}))
