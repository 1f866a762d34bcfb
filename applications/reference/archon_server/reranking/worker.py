"""A thread for work that would block the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from . import reason

_T = TypeVar("_T")


class Worker:
    """One thread that does its work in the order in which it was queued, one piece at a time."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)

    def run(self, work: Callable[[], _T]) -> "asyncio.Future[_T]":
        """Queues `work` before it returns. The future has what `work` returns or raises.

        If the future is cancelled before its turn, `work` never starts.
        """
        return asyncio.get_running_loop().run_in_executor(self._executor, _guarded(work))

    def submit(self, work: Callable[[], None]) -> None:
        """Queues `work` like `run`, and ignores what it raises."""
        self._executor.submit(work)

    def stop(self) -> None:
        """Abandons what the thread is doing and what is queued."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _guarded(work: Callable[[], _T]) -> Callable[[], _T]:
    def guarded() -> _T:
        try:
            return work()
        except Exception:
            raise
        except BaseException as error:
            # A panic of a Rust library, for example on a damaged tokenizer file, is not an Exception. It would end the
            # task that awaits it.
            raise RuntimeError(reason(error)) from error

    return guarded
