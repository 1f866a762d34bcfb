"""Tiny wheels, and lock files for them, so that no test needs a network."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    """A wheel file in a wheelhouse. `size` is the size in bytes that a lock file states for it."""

    path: Path
    name: str
    version: str
    size: int = 8192

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def lock_entry(self, *, sha256: str | None = None, size: int | None = -1) -> str:
        """The lines of a lock file for this wheel; another hash and size can be given, or no size (None)."""
        stated = self.size if size == -1 else size
        lines = f"{self.name}=={self.version} \\\n    --hash=sha256:{sha256 or self.sha256}\n"
        return lines if stated is None else f"{lines}    # size: {stated}\n"


def make_wheel(
    directory: Path,
    name: str,
    version: str = "1.0",
    files: dict[str, str | bytes] | None = None,
    *,
    requires: tuple[str, ...] = (),
    launchers: dict[str, str] | None = None,
    tag: str = "py3-none-any",
    recorded: dict[str, bytes] | None = None,
    unrecorded: tuple[str, ...] = (),
) -> Wheel:
    """Write a wheel.

    `files` by path below site-packages (default: one module with a version), `launchers` as name -> `module:function`.
    `recorded` maps paths to the bytes whose hash RECORD states instead, also of files that the wheel does not have;
    `unrecorded` are files that RECORD leaves out. Both make a wheel that contradicts itself.
    """
    module = name.replace("-", "_")
    content: dict[str, str | bytes] = dict(files or {f"{module}.py": f'__version__ = "{version}"\n'})
    info = f"{module}-{version}.dist-info"
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {requirement}\n" for requirement in requires
    )
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if launchers:
        lines = "".join(f"{launcher} = {target}\n" for launcher, target in launchers.items())
        content[f"{info}/entry_points.txt"] = f"[console_scripts]\n{lines}"
    encoded = {path: text.encode() if isinstance(text, str) else text for path, text in content.items()}
    stated = {path: data for path, data in encoded.items() if path not in unrecorded} | (recorded or {})
    record = "".join(f"{path},{_recorded(data)}\n" for path, data in stated.items())
    encoded[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in encoded.items():
            # A fixed time, so that the same content is the same wheel.
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    return Wheel(wheel, name, version)


def lock_of(*wheels: Wheel) -> str:
    """A lock file of these wheels, in the form that `mlenv lock` writes."""
    return "# python: cp311\n" + "".join(wheel.lock_entry() for wheel in wheels)


def _recorded(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(data)}"
