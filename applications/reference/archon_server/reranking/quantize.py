"""`python3 -m archon_server.derive --repo Org/Name --revision HEX --variant int8`: makes a variant of a snapshot.

Writes a tar of the derived snapshot to standard output, for the store tool's `fetch --archive -`. With
`--print-revision` it only prints the revision that the archive will have in the store. It runs in the server image with
the environment and the models mounted, needs no network, writes no file, and keeps one tensor in memory at a time. The
same snapshot gives the same bytes.
"""

import argparse
import hashlib
import io
import json
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..settings import Model
from . import ModelError, hf_cache
from .package_check import require_environment

VARIANTS = ("int8",)
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class Entry:
    """A file of the derived snapshot. `chunks` yields its `size` bytes each time it is called."""

    name: str
    size: int
    chunks: Callable[[], Iterator[bytes]]


def main(arguments: list[str] | None = None, output: BinaryIO | None = None) -> int:
    parser = argparse.ArgumentParser(prog="archon_server.derive", description="Makes a variant of a model snapshot.")
    parser.add_argument("--repo", required=True, help="Org/Name of the snapshot to derive from")
    parser.add_argument("--revision", required=True, help="its commit, 40 hex digits")
    parser.add_argument("--variant", required=True, choices=VARIANTS)
    parser.add_argument("--print-revision", action="store_true", help="print the archive's revision, write no archive")
    options = parser.parse_args(arguments)
    hub_dir = Path(os.environ.get("HF_HOME") or "/root/.cache/huggingface") / "hub"
    try:
        require_environment()
        entries = derived_files(hub_dir, Model("source", options.repo, options.revision), options.variant)
        if options.print_revision:
            print(revision(entries))
        else:
            write(entries, output or sys.stdout.buffer)
    except (ModelError, OSError) as error:
        print(f"archon_server.derive: {error}", file=sys.stderr)
        return 1
    return 0


def derived_files(hub_dir: Path, model: Model, variant: str) -> list[Entry]:
    """The files of the variant, by name. Raises ModelError if the snapshot is missing, damaged or a variant itself."""
    from . import int8

    config = hf_cache.read_config(hub_dir, model)
    if "quantization_config" in config:
        raise ModelError(f"{model.repo} is quantized already; derive from its source snapshot")
    snapshot = hf_cache.snapshot(hub_dir, model)
    config["quantization_config"] = {"quant_method": int8.METHOD, "from": f"{model.repo}@{model.revision}"}
    entries = [_text("config.json", config)]
    for path in sorted(each for each in snapshot.rglob("*") if each.is_file()):
        name = str(path.relative_to(snapshot))
        if name.endswith(".safetensors"):
            entries.append(_weights(name, path))
        elif name == INDEX:
            entries.append(_text(name, _index(json.loads(path.read_text()), snapshot)))
        elif name != "config.json" and not name.endswith((".bin", ".md")):
            entries.append(Entry(name, path.stat().st_size, lambda path=path: iter([path.read_bytes()])))
    if not any(entry.name.endswith(".safetensors") for entry in entries):
        raise ModelError(f"{snapshot} has no *.safetensors to derive from")
    return sorted(entries, key=lambda entry: entry.name.encode())


def revision(entries: list[Entry]) -> str:
    """As the store computes it: the first 40 digits of the sha256 of `<sha256 of file>  <name>\\n` lines, by name."""
    lines = []
    for entry in entries:
        digest = hashlib.sha256()
        for chunk in entry.chunks():
            digest.update(chunk)
        lines.append(f"{digest.hexdigest()}  {entry.name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:40]


def write(entries: list[Entry], output: BinaryIO) -> None:
    with tarfile.open(fileobj=output, mode="w|") as archive:
        for entry in entries:
            member = tarfile.TarInfo(entry.name)
            member.size, member.mode = entry.size, 0o644
            archive.addfile(member, _Stream(entry.chunks()))


def _text(name: str, content: dict[str, Any]) -> Entry:
    text = (json.dumps(content, indent=2) + "\n").encode()
    return Entry(name, len(text), lambda: iter([text]))


def _index(index: dict[str, Any], snapshot: Path) -> dict[str, Any]:
    """The index of a model in several files, with the scales beside their weights."""
    tensors: dict[str, dict[str, Any]] = {}
    for path in snapshot.glob("*.safetensors"):
        tensors |= hf_cache.read_weights_header(path)
    files: dict[str, str] = {}
    for name, file in index["weight_map"].items():
        files |= dict.fromkeys(_derived_header(name, tensors[name]), file)
    return {"metadata": {}, "weight_map": dict(sorted(files.items()))}


def _weights(name: str, path: Path) -> Entry:
    """A safetensors file with the same tensors, those of the layers in 8 bits."""
    header: dict[str, dict[str, Any]] = {}
    end = 0
    sources = sorted(hf_cache.read_weights_header(path).items())
    for source, tensor in sources:
        for derived_name, (dtype, shape, size) in _derived_header(source, tensor).items():
            header[derived_name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
            end += size
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)

    def chunks() -> Iterator[bytes]:
        from safetensors import safe_open

        from . import int8

        yield len(text).to_bytes(8, "little") + text
        with safe_open(path, "pt") as tensors:
            for source, tensor in sources:
                content = tensors.get_tensor(source)
                parts = int8.quantize(content) if int8.is_quantized(source, tensor["shape"]) else (content,)
                for part in parts:
                    yield _bytes(part)

    return Entry(name, 8 + len(text) + end, chunks)


def _derived_header(name: str, tensor: dict[str, Any]) -> dict[str, tuple[str, list[int], int]]:
    """dtype, shape and bytes of the tensors that replace a tensor, in the order in which they are written."""
    from . import int8

    shape = tensor["shape"]
    if int8.is_quantized(name, shape):
        rows, columns = shape
        scale = name.removesuffix("weight") + int8.SCALE
        return {name: ("I8", shape, rows * columns), scale: ("F32", [rows], 4 * rows)}
    first, last = tensor["data_offsets"]
    return {name: (tensor["dtype"], shape, last - first)}


def _bytes(tensor: Any) -> bytes:
    import torch

    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


class _Stream(io.RawIOBase):
    """Chunks as a file. A read returns as many bytes as requested, fewer only at the end."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = bytearray()
        while len(found) < size:
            if not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._rest = memoryview(chunk)
            taken = self._rest[: size - len(found)]
            found += taken
            self._rest = self._rest[len(taken) :]
        return bytes(found)
