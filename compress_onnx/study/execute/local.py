"""Cells on this machine: a pool of fresh processes that share the cores and end with their parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any, TypeVar

from compress_onnx.study.execute.threads import allow_one_thread

T = TypeVar("T")


class LocalPool(Executor):
    """A process pool that is made anew after one of its processes was killed.

    Workers are spawned, not forked: ONNX Runtime and PyTorch do not survive a fork with threads.
    """

    shares_files = True

    def __init__(self, workers: int, cores: int) -> None:
        self.slots = workers
        self._cores = cores
        self._pool: ProcessPoolExecutor | None = None

    def threads_for(self, cells: int) -> int:
        """Return how many threads predict in each of ``cells`` cells, so that all cores are busy once."""
        return max(1, self._cores // max(1, min(self.slots, cells)))

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Submit to the pool, or to a new one if it is broken."""
        try:
            return self._opened().submit(fn, *args, **kwargs)
        except BrokenProcessPool:
            self._pool = None
            return self._opened().submit(fn, *args, **kwargs)

    def _opened(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            _start_tracker()
            self._pool = ProcessPoolExecutor(self.slots, mp_context=context, initializer=_begin)
        return self._pool

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  # the base class's
        """Wait for what runs, or end it at once."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        # Python 3.14 has kill_workers() for this.
        processes = list((pool._processes or {}).values())  # noqa: SLF001  # see above
        pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        if not wait:
            for process in processes:
                process.kill()

    @contextlib.contextmanager
    def timing(self) -> Iterator[LocalPool]:
        """Yield a pool of one process: what it times is alone."""
        self.shutdown()
        alone = LocalPool(1, self._cores)
        try:
            yield alone
        finally:
            alone.shutdown(wait=False, cancel_futures=True)


def open_pool(address: str, workers: int | None, /) -> LocalPool:
    """Open a pool of ``workers`` processes, by default one per usable core; there is no address.

    Errors
    ------
    OptionError
        if an address is given.
    """
    from compress_onnx.errors import OptionError
    from compress_onnx.runtime import usable_cores

    if address:
        raise OptionError("no address, since the pool is here", repr(address), remedy="Name another executor.")
    cores = usable_cores()
    return LocalPool(workers or cores, cores)


def _start_tracker() -> None:
    """Start the process that clears what workers leave behind; it need not tell of those that are ended at once."""
    name = "PYTHONWARNINGS"
    before = os.environ.get(name)
    os.environ[name] = ",".join(filter(None, [before, "ignore::UserWarning:multiprocessing.resource_tracker"]))
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _begin() -> None:
    """Prepare a worker: one thread for sums, no Ctrl-C of its own, and an end when the parent ends."""
    allow_one_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Leave at once when the parent is gone: nobody would take the result, and the study may go on elsewhere."""
    wait([sentinel])
    os._exit(1)
