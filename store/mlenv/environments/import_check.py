"""Checks an environment by importing modules from it in a separate Python process, as a server would."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import MlenvError
from .uv import BASE_PYTHON

_PROGRAM = """
import importlib, importlib.metadata, json, os, sys, time
descriptor, modules = int(sys.argv[1]), sys.argv[2:]
results = []
for name in modules:
    started = time.perf_counter()
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        import traceback
        trace = traceback.format_exc().strip().splitlines()[-20:]
        results.append({"module": name, "error": f"{type(error).__name__}: {error}", "trace": trace})
        break
    version = getattr(module, "__version__", None)
    results.append({
        "module": name,
        "version": str(version) if version is not None else None,
        "seconds": round(time.perf_counter() - started, 2),
        "location": getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), None),
    })
report = {"imports": results}
if "torch" in sys.modules and not any("error" in result for result in results):
    torch = sys.modules["torch"]
    report["cuda"] = {"version": torch.version.cuda, "available": torch.cuda.is_available()}
with os.fdopen(descriptor, "w") as stream:
    json.dump(report, stream)
# Nothing is left to do, and torch alone takes a second to leave in order.
os._exit(0)
"""


@dataclass(frozen=True)
class ImportReport:
    """What was imported: `imports` as {module, version, seconds}, and `cuda` as {version, available} or, without torch,
    None."""

    imports: list[dict]
    cuda: dict | None

    def to_json(self) -> dict:
        return {"imports": self.imports} | ({"cuda": self.cuda} if self.cuda else {})

    def describe(self) -> Iterator[str]:
        """One line for each module, and one for CUDA if torch was imported."""
        for item in self.imports:
            name = " ".join(part for part in (item["module"], item["version"]) if part)
            yield f"imported {name} in {item['seconds']:.1f} s"
        if self.cuda:
            built = f"built for CUDA {self.cuda['version']}" if self.cuda["version"] else "built without CUDA"
            yield f"torch: {built}, a GPU is {'available' if self.cuda['available'] else 'not available'} here"


class ImportCheck:
    """A background process that imports modules; `result` waits for it. Leaving the context kills it.

    `base` is the user base of the environment; `keep_open` are descriptors that the process inherits.
    """

    def __init__(self, base: Path, modules: Sequence[str], keep_open: Iterable[int]) -> None:
        self._base = base
        self._modules = modules
        self._home = tempfile.TemporaryDirectory(prefix="mlenv-home-")
        reader, writer = os.pipe()
        self._report = reader
        self._process = subprocess.Popen(
            # -B: do not write byte code into the environment. -P: do not import from the working directory.
            [str(BASE_PYTHON), "-B", "-P", "-c", _PROGRAM, str(writer), *modules],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writer, *keep_open),
        )
        os.close(writer)

    def __enter__(self) -> ImportCheck:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        os.close(self._report)
        self._home.cleanup()

    def result(self) -> ImportReport:
        """Wait for the imports. Raises MlenvError for a module that cannot be imported, or that was imported from
        outside the environment."""
        output, _ = self._process.communicate()
        with open(self._report, encoding="utf-8", closefd=False) as stream:
            text = stream.read()
        if not text:
            printed = output.decode(errors="replace").strip() or "(no output)"
            raise MlenvError(
                f"the import check ended with status {self._process.returncode}:\n{_quote(printed.splitlines()[-20:])}"
            )
        report = json.loads(text)
        for item in report["imports"]:
            self._require_imported(item)
        return ImportReport(report["imports"], report.get("cuda"))

    def _require_imported(self, item: dict) -> None:
        if "error" in item:
            raise MlenvError(
                f"module {item['module']!r} cannot be imported from the environment: {item['error']}\n"
                f"{_quote(item['trace'])}\n"
                "Add what is missing to requirements.server.ml.in, renew the lock file (./archon lock) and "
                "run this again."
            )
        location = item.pop("location")
        if location is None or not Path(location).is_relative_to(self._base):
            raise MlenvError(
                f"module {item['module']!r} was not imported from the environment but from {location}; "
                "the lock file lacks the package that provides it"
            )

    def _environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        return inherited | {
            "HOME": self._home.name,
            "PYTHONUSERBASE": str(self._base),
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "TQDM_DISABLE": "1",
        }


def _quote(lines: Iterable[str]) -> str:
    return "\n".join(f"  | {line}" for line in lines)
