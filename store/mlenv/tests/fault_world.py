"""A store of the fault suite: the operations and faults that happen to it, and the checks afterwards."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mlenv.core.errors import MlenvError
from mlenv.core.model import Model
from mlenv.store import gc_roots
from mlenv.store.gc_roots import Roots
from mlenv.store.store import Store
from mlenv.store.verify import everything, verify

from .killable_run import Fault, Run
from .wheels import Wheel, lock_of

ROOT = "/srv/store"
STACKS = ("archon-dev", "archon-prod")
MODELS = {
    "Org/One": {
        "1a" * 20: {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 40, "vocab.txt": b"a\nb\n"},
        "1b" * 20: {"config.json": b"{ }", "model.safetensors": bytes(range(256)) * 40, "vocab.txt": b"a\nb\n"},
    },
    "Org/Two": {"2a" * 20: {"config.json": b"{}", "model.safetensors": b"w" * 300_000}},
}


@dataclass
class Tally:
    """What happened: counts of operations and faults, broken states, and collections that removed what was needed."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def line(self, runs: int, seconds: float) -> str:
        parts = ("operations", "killed", "full disks", "at once", "flipped bits")
        counted = ", ".join(f"{self.counts[part]:,} {part}" for part in parts)
        return (
            f"faults: {runs:,} runs, {counted}; {len(self.broken)} broken states, {len(self.wrong)} wrong collections, "
            f"in {seconds:.0f} s"
        )


@dataclass
class Operation:
    """One command that a stack or a person runs. `stack` and `content` are those of hold and collect."""

    arguments: list[object]
    stdin: object = ""
    stack: str | None = None
    content: Roots | None = None

    @property
    def command(self) -> str:
        return str(self.arguments[0])


class World:
    """One store and what may happen to it."""

    def __init__(self, store: Store, wheels: list[Wheel], endpoint: str, chance: random.Random, tally: Tally) -> None:
        self.store = store
        self.chance = chance
        self.tally = tally
        self.locks = {f"k{number}": lock_of(*pair) for number, pair in enumerate(itertools.pairwise(wheels))}
        self.wheelhouse = wheels[0].path.parent
        self.endpoint = endpoint
        self.models = [f"{repo}@{revision}" for repo, revisions in MODELS.items() for revision in revisions]
        self.mounted: list[object] = []
        self.flipped = False

    def begin(self, small: bool) -> None:
        """Fill the store with what a stack holds, as far as the disk has space."""
        held = self._content()
        operations = [Operation(["hold", "--store", self.store.root, "--stack", STACKS[0]], held.to_json())]
        operations += [self._populate(key) for key in held.environments]
        operations += [self._fetch(model) for model in held.models]
        for item in operations:
            status, output = Run(item.arguments, item.stdin, **self._environment(small)).end()
            self.tally.counts["operations"] += 1
            if status and not (small and _is_full(output)):
                self._broken(f"{item.command}: status {status}, {output[-600:]}")

    def step(self, small: bool) -> None:
        """Run one or two operations with faults, check, then run the same ones undisturbed."""
        self._mount_something()
        self.flipped = False
        operations = [self._draw()]
        if self.chance.random() < 0.3:
            operations.append(self._draw())
            self.tally.counts["at once"] += 1
        before, held = self._visible(), self._held()
        needed = self._needed(operations, held)
        environment = self._environment(small)
        running = [
            Run(item.arguments, item.stdin, Fault.draw(self.chance, item.command), **environment) for item in operations
        ]
        for run in running:
            self._judge(run, *run.end(), small=small)
        self._check(before, needed, held, operations)
        for item in operations:
            again = self._needed([item], self._held())
            visible, held = self._visible(), self._held()
            status, output = Run(item.arguments, item.stdin, **environment).end()
            self.tally.counts["operations"] += 1
            if status and not (small and _is_full(output)):
                self._broken(f"{item.command} does not recover: status {status}, {output[-600:]}")
            self._check(visible, again, held, [item])

    def finish(self) -> None:
        """An undisturbed prune leaves nothing behind, even on a full disk."""
        before, held = self._visible(), self._held()
        operation = Operation(["prune", "--store", self.store.root], self._outside())
        needed = self._needed([operation], held)
        status, output = Run(operation.arguments, operation.stdin).end()
        if status:
            self._broken(f"the last prune: status {status}, {output[-600:]}")
        left = sorted(
            path.name for path in self.store.staging.iterdir() if not path.name.startswith(("locks", "model-"))
        )
        if left:
            self._broken(f"left in staging: {left}")
        self._check(before, needed, held, [])
        extra = self._visible() - needed
        if extra:
            self._broken(f"the last prune left {sorted(extra)}")

    def _draw(self) -> Operation:
        store, chance = self.store.root, self.chance
        kind = chance.choices(
            ["populate", "fetch", "hold", "collect", "prune", "repair", "verify", "list"], [5, 4, 3, 6, 3, 3, 1, 1]
        )[0]
        wheels = ("--wheelhouse", self.wheelhouse)
        if kind == "populate":
            return self._populate(chance.choice(list(self.locks)))
        if kind == "fetch":
            return self._fetch(chance.choice(self.models))
        if kind in ("hold", "collect"):
            stack, content = chance.choice(STACKS), self._content()
            outside = {"keep": content.to_json(), **self._outside()} if kind == "collect" else content.to_json()
            return Operation([kind, "--store", store, "--stack", stack], outside, stack, content)
        if kind == "prune":
            return Operation(["prune", "--store", store], self._outside())
        if kind == "repair":
            if not self.flipped:
                self._flip()
            return Operation(["repair", "--store", store, *wheels])
        return Operation([kind, "--store", store])

    def _populate(self, key: str) -> Operation:
        named = ("--store", self.store.root, "--key", key, "--lock", "-", "--wheelhouse", self.wheelhouse)
        return Operation(["populate", *named], self.locks[key])

    def _fetch(self, model: str) -> Operation:
        repo, revision = model.split("@")
        named = ("--repo", repo, "--revision", revision, "--endpoint", self.endpoint)
        return Operation(["fetch", "--store", self.store.root, *named])

    def _environment(self, small: bool) -> dict[str, str]:
        return {"MLENV_TEST_SKIP_PREFLIGHT": "1"} if small else {}

    def _content(self) -> Roots:
        def some(names: list[str]) -> tuple[str, ...]:
            return tuple(sorted(self.chance.sample(names, self.chance.randint(0, len(names)))))

        return Roots((f"server:{self.chance.randint(1, 3)}",), some(list(self.locks)), some(self.models))

    def _outside(self) -> dict:
        return {"mounted": self.mounted, "root": ROOT}

    def _mount_something(self) -> None:
        self.mounted = []
        for name in self._visible():
            if self.chance.random() < 0.4:
                kind, _, rest = name.partition("/")
                model = {"path": f"{ROOT}/models/huggingface", "models": [rest]}
                self.mounted.append(f"{ROOT}/envs/{rest}" if kind == "envs" else model)

    def _flip(self) -> None:
        """Flip one bit anywhere in a visible object, before a repair."""
        targets = everything(self.store)
        files = [path for target in targets for path in _place(self.store, target).rglob("*") if path.is_file()]
        files = [path for path in files if path.stat().st_size]
        if files:
            path = self.chance.choice(files)
            with path.open("r+b") as stream:
                stream.seek(self.chance.randrange(path.stat().st_size))
                byte = stream.read(1)
                stream.seek(-1, os.SEEK_CUR)
                stream.write(bytes([byte[0] ^ 1 << self.chance.randrange(8)]))
            self.flipped = True
            self.tally.counts["flipped bits"] += 1

    def _visible(self) -> set[str]:
        return set(everything(self.store))

    def _held(self) -> dict[str, Roots]:
        try:
            return {stack: item.roots for stack, item in gc_roots.read(self.store.gc_roots).items()}
        except MlenvError as error:
            self._broken(f"references: {error}")
            return {}

    def _possible(self, operations: list[Operation], held: dict[str, Roots], stack: str) -> set[Roots]:
        """What the GC roots of a stack may be during and after these operations, whether they succeed or not."""
        possible = {held.get(stack, Roots())}
        for item in [*operations, *operations]:
            if item.stack == stack and item.content is not None:
                possible |= {item.content if item.command == "collect" else old.union(item.content) for old in possible}
        return possible

    def _needed(self, operations: list[Operation], held: dict[str, Roots]) -> set[str]:
        """What is needed whether these operations succeed or not."""
        needed: set[str] = set()
        for stack in STACKS:
            possible = self._possible(operations, held, stack)
            needed |= set.intersection(*({f"envs/{key}" for key in item.environments} for item in possible))
            needed |= set.intersection(*({f"models/{name}" for name in item.models} for item in possible))
        for mount in self.mounted:
            if isinstance(mount, str):
                needed.add(mount.removeprefix(f"{ROOT}/"))
            else:
                needed |= {f"models/{name}" for name in mount["models"]}
        return needed

    def _judge(self, run: Run, status: int, output: str, *, small: bool) -> None:
        self.tally.counts["operations"] += 1
        if status < 0:
            self.tally.counts["killed"] += 1
        elif status and small and _is_full(output):
            self.tally.counts["full disks"] += 1
        elif status and not (self.flipped and _is_damage(output)):
            self._broken(f"{run.command}: status {status}, {output[-600:]}")

    def _check(self, before: set[str], needed: set[str], held: dict[str, Roots], operations: list[Operation]) -> None:
        missing = (before & needed) - self._visible()
        if missing:
            self.tally.wrong.append(f"{sorted(missing)} after {[item.command for item in operations]}")
        now = self._held()
        for stack in STACKS:
            possible = self._possible(operations, held, stack)
            if now.get(stack, Roots()) not in possible:
                self.tally.wrong.append(f"the GC roots of {stack} are {now.get(stack)}, none of {possible}")
        if self.flipped:
            self._repair()
            self.flipped = False
        for target in everything(self.store):
            result = verify(self.store, target, full=True)
            if not result.ok:
                self._broken(f"{target}: {result.problems()[:3]} after {[item.command for item in operations]}")

    def _repair(self) -> None:
        """Repair flipped bits: the repair among the operations may have been killed, or may have met a full disk."""
        for target in everything(self.store):
            if not verify(self.store, target, full=True).ok:
                arguments = ["repair", "--store", self.store.root, "--wheelhouse", self.wheelhouse, target]
                status, output = Run(arguments, MLENV_TEST_SKIP_PREFLIGHT="1").end()
                self.tally.counts["operations"] += 1
                if status and _is_full(output):
                    self._make_room()
                    status, output = Run(arguments, MLENV_TEST_SKIP_PREFLIGHT="1").end()
                if status:
                    self._broken(f"repair of {target} does not recover: status {status}, {output[-600:]}")

    def _make_room(self) -> None:
        """Enlarge the disk, as a person would do."""
        subprocess.run(["mount", "-o", "remount,size=64000000", str(self.store.root.parent)], check=True)

    def _broken(self, what: str) -> None:
        self.tally.broken.append(what)


def _place(store: Store, target: str) -> Path:
    kind, _, rest = target.partition("/")
    return store.environment(rest) if kind == "envs" else store.snapshot(Model.from_name(rest))


def _is_full(output: str) -> bool:
    return "Traceback" not in output and ("disk is full" in output.lower() or "not enough disk space" in output)


def _is_damage(output: str) -> bool:
    """A run that meets the flipped bit before its repair reports it."""
    return "Traceback" not in output and (
        "was changed" in output or "damaged" in output or "does not match its manifest" in output
    )
