"""A thread for work that would block the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from . import reason

_T = TypeVar("_T")


class Worker:
    """One thread: what is given to it is done in that order, and never two things at once."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)

    def run(self, work: Callable[[], _T]) -> "asyncio.Future[_T]":
        """Queues `work` before it returns. The future brings what `work` returns or raises; cancelled before its turn,
        `work` is never begun.
        """
        return asyncio.get_running_loop().run_in_executor(self._executor, _guarded(work))

    def begin(self, work: Callable[[], None]) -> None:
        """Has `work` done in its turn; what it raises is lost."""
        self._executor.submit(work)

    def stop(self) -> None:
        """Abandons whatever the thread is still doing."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _guarded(work: Callable[[], _T]) -> Callable[[], _T]:
    def guarded() -> _T:
        try:
            return work()
        except Exception:
            raise
        except BaseException as error:
            # A panic of the Rust libraries, as from a damaged tokenizer file, is no Exception: it would end the task
            # that awaits it.
            raise RuntimeError(reason(error)) from error

    return guarded
