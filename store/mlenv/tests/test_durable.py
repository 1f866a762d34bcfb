"""Several runs write the same file or directory at once. Threads replace them here: like runs in containers, they have
the same process id."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from mlenv.core import durable
from mlenv.store.initialise import initialise

WRITERS = 8


def together(work) -> list:
    """Start all writers at once; raises what any of them raised."""
    barrier = Barrier(WRITERS)

    def begin(number: int):
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(begin, range(WRITERS)))


def test_a_file_with_several_writers_is_always_complete(tmp_path: Path):
    path = tmp_path / "text"
    whole = [str(number) * 10_000 for number in range(WRITERS)]
    durable.write_text(path, whole[0])

    def write(number: int) -> set[str]:
        seen = set()
        for _ in range(20):
            durable.write_text(path, whole[number])
            seen.add(path.read_text())
        return seen

    assert set().union(*together(write)) <= set(whole)
    assert [entry.name for entry in tmp_path.iterdir()] == ["text"]


def test_several_runs_can_make_one_store_together(tmp_path: Path):
    for number in range(10):
        root = tmp_path / str(number)
        together(lambda writer, root=root: initialise(root, [f"stack-{writer}/server"], (0, 0)))
        assert {path.name for path in (root / "data").iterdir()} == {f"stack-{writer}" for writer in range(WRITERS)}
        assert [path.name for path in root.iterdir() if path.name.startswith(".")] == []


def test_the_first_of_several_trees_is_kept(tmp_path: Path):
    final = tmp_path / "final"

    def keep(number: int) -> None:
        partial = tmp_path / f"partial-{number}"
        partial.mkdir()
        (partial / "content").write_text("the same")
        durable.move_unless_present(partial, final)

    together(keep)
    assert (final / "content").read_text() == "the same"


def test_a_tree_that_cannot_be_moved_is_an_error(tmp_path: Path):
    (tmp_path / "partial").mkdir()
    with pytest.raises(FileNotFoundError):
        durable.move_unless_present(tmp_path / "partial", tmp_path / "nowhere/final")
