"""The result of a verification."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core import progress


@dataclass
class VerifyResult:
    """The state of one target, compared with its manifest. `files` and `bytes` are what the manifest lists.

    `damaged` pairs a path with the reason; `missing` and `added` are paths.
    """

    target: str
    files: int = 0
    bytes: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.damaged or self.missing or self.added)

    def problems(self) -> list[str]:
        """One line for each file that differs."""
        return (
            [f"damaged: {path} ({reason})" for path, reason in self.damaged]
            + [f"missing: {path}" for path in self.missing]
            + [f"added: {path}" for path in self.added]
        )

    def describe(self) -> str:
        """How much was compared: `45,123 files, 5.83 GB`."""
        return f"{progress.pluralise(self.files, 'file')}, {progress.size(self.bytes)}"

    def to_json(self) -> dict:
        return {
            "target": self.target,
            "ok": self.ok,
            "files": self.files,
            "bytes": self.bytes,
            "damaged": [{"path": path, "reason": reason} for path, reason in self.damaged],
            "missing": self.missing,
            "added": self.added,
        }
