"""Measures how fast a large model is fetched from the test hub over loopback, and what kill -9 costs.

    python3 -m mlenv.tests.bench_fetch --work DIRECTORY [--runs N] [--kills N] [--json]

Throughput: `mlenv fetch` (verified, synced, with manifest) and `curl -o file && sha256sum file` take turns with a
random model of the size of Qwen3-Reranker-0.6B. Only their ratio can be compared between machines. Resume: downloads
are killed at random moments; the hub counts what it sent, and every visible snapshot is compared with the original.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from mlenv.core import progress
from mlenv.core.model import Model
from mlenv.hub.download import DownloadOptions
from mlenv.store.initialise import initialise
from mlenv.store.store import Store, remove_tree

from .fake_hub import FakeHub
from .kill_downloads import Download, Run, kill_again_and_again, measure
from .random_model import REPO, WEIGHTS, make

REVISION = "6e9e69830b95c52b5fd889b7690dda3329508de3"
MODEL = Model(REPO, REVISION)
PEAK_LIMIT_BYTES = 300_000_000
KILL_LIMIT_BYTES = 16_000_000
RATIO_LIMIT = 0.9


class Bench:
    """Measures downloads from a hub into a store below `work`. `files` are those of the model, by name."""

    def __init__(self, work: Path, hub: FakeHub, files: dict[str, Path]) -> None:
        self._work = work
        self._hub = hub
        self._files = files
        self.total = sum(path.stat().st_size for path in files.values())
        self.store = Store(work / "store")

    def throughput(self, runs: int) -> dict:
        """Run mlenv and curl in turn; returns the figures of each run, the median ratio, and the peak in bytes."""
        # A warm-up that is not counted.
        self._curl()
        rows = []
        for number in range(runs):
            if number % 2:
                ours = self._ours()
                theirs = self._curl()
            else:
                theirs = self._curl()
                ours = self._ours()
            ratio = theirs.seconds / ours.seconds
            rows.append({"fetch": ours.seconds, "curl": theirs.seconds, "ratio": ratio, "peak": ours.peak})
            progress.info(
                f"run {number + 1}: fetch {ours.seconds:.2f} s, curl and sha256sum {theirs.seconds:.2f} s, "
                f"ratio {ratio:.2f}, peak {progress.size(ours.peak)}"
            )
        return {
            "bytes": self.total,
            "runs": rows,
            "ratio": statistics.median(row["ratio"] for row in rows),
            "peak": max(row["peak"] for row in rows),
        }

    def resume(self, kills: int, seed: int) -> dict:
        """Download again and again, with this many kills in all; returns what they cost."""
        self._empty()
        download = Download(self._hub, self.store, MODEL, self._command(), self.total, DownloadOptions.part_bytes)
        return asdict(kill_again_and_again(download, kills, seed, self._completed))

    def _ours(self) -> Run:
        self._empty()
        run = measure(self._command())
        if run.status:
            raise SystemExit(f"mlenv fetch failed with {run.status}")
        return run

    def _curl(self) -> Run:
        target = self._work / "curl"
        target.unlink(missing_ok=True)
        os.sync()
        url = f"{self._hub.endpoint}/{REPO}/resolve/{REVISION}/{WEIGHTS}"
        run = measure(
            ["sh", "-c", f"curl --silent --fail --location -o {target} {url} && sha256sum {target} >/dev/null"]
        )
        if run.status:
            raise SystemExit(f"curl failed with {run.status}")
        target.unlink()
        return run

    def _command(self) -> list[str]:
        arguments = ["--store", str(self.store.root), "--repo", REPO, "--revision", REVISION]
        return [sys.executable, "-m", "mlenv", "fetch", *arguments, "--endpoint", self._hub.endpoint]

    def _empty(self) -> None:
        remove_tree(self.store.root)
        initialise(self.store.root, [], (os.getuid(), os.getgid()))
        os.sync()

    def _completed(self) -> None:
        for name, source in self._files.items():
            if subprocess.run(["cmp", "--quiet", source, self.store.snapshot(MODEL) / name], check=False).returncode:
                raise SystemExit(f"{name} is visible and differs from the original")
        self._empty()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, metavar="DIRECTORY", help="takes about 4 GB for a while")
    parser.add_argument("--runs", type=int, default=5, help="of each way (default: 5)")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="the last line is all figures as JSON")
    options = parser.parse_args()
    work = options.work / "bench-fetch"
    remove_tree(work)
    try:
        make(work / "model")
        files = {path.name: path for path in (work / "model").iterdir()}
        with FakeHub() as hub:
            hub.add(REPO, REVISION, files)
            bench = Bench(work, hub, files)
            throughput = bench.throughput(options.runs)
            resume = bench.resume(options.kills, options.seed)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return report(throughput, resume, as_json=options.json)


def report(throughput: dict, resume: dict, *, as_json: bool) -> int:
    """Print each figure and whether it keeps its limit; returns 1 if one does not."""
    peak = max(throughput["peak"], resume["peak"])
    rows = [
        (f"fetch against curl and sha256sum, median {throughput['ratio']:.2f}", throughput["ratio"] >= RATIO_LIMIT),
        (f"most memory held: {progress.size(peak)}", peak <= PEAK_LIMIT_BYTES),
        (
            f"{resume['kills']} kills in {progress.pluralise(resume['downloads'], 'download')}: fetched again "
            f"{progress.size(resume['again'] // resume['kills'])} a kill, {progress.size(resume['worst'])} at worst",
            resume["worst"] <= KILL_LIMIT_BYTES,
        ),
    ]
    for text, kept in rows:
        progress.info(f"{'ok' if kept else 'MISSED'}: {text}")
    if as_json:
        print(json.dumps({"throughput": throughput, "resume": resume}))
    return 0 if all(kept for _, kept in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
