"""Which cores timed processes run on, and how this one keeps out of their way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_THREADS = Path("/proc/self/task")


def core_numbers() -> tuple[int, ...]:
    """Return the numbers of the logical cores this process may run on, ascending; made up where unknown."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def worker_cores(threads: int, usable: Sequence[int]) -> tuple[int, ...]:
    """Return the cores that timed workers share: the last ones, since interrupts prefer the first.

    All models run on the same cores in turn. More threads than cores give none: nothing is pinned.

    >>> worker_cores(1, [0, 1]), worker_cores(2, [0, 1]), worker_cores(3, [0, 1])
    ((1,), (0, 1), ())
    """
    return tuple(usable[-threads:]) if threads <= len(usable) else ()


@contextlib.contextmanager
def kept_off(cores: Sequence[int]) -> Iterator[None]:
    """Keep all threads of this process off these cores inside the block, if others are left."""
    others = set(core_numbers()) - set(cores)
    if not others or not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = {thread: _moved(thread, others) for thread in _threads()}
    try:
        yield
    finally:
        for thread, place in before.items():
            _moved(thread, place)


def _threads() -> list[int]:
    return [int(entry.name) for entry in _THREADS.iterdir()] if _THREADS.is_dir() else [0]


def _moved(thread: int, cores: set[int]) -> set[int]:
    """Move a thread and return where it was; one that has ended, or may not be moved, stays what it is."""
    before: set[int] = set()
    with contextlib.suppress(OSError):
        before = os.sched_getaffinity(thread)
        os.sched_setaffinity(thread, cores)
    return before
