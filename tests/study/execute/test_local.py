"""Processes of this machine: shared cores, killed workers, and an end at once."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import BrokenExecutor
from typing import Any

import pytest

from compress_onnx.errors import OptionError
from compress_onnx.extension_points import executors
from compress_onnx.study.execute.local import LocalPool


def test_threads_are_shared_among_the_cells_that_run() -> None:
    pool = LocalPool(4, 8)
    assert [pool.threads_for(cells) for cells in (1, 2, 3, 4, 9)] == [8, 4, 2, 2, 2]
    assert LocalPool(4, 2).threads_for(9) == 1


def test_the_pool_is_here() -> None:
    with pytest.raises(OptionError, match="no address"):
        executors()["local"]("tcp://elsewhere", None)
    pool: Any = executors()["local"]("", 3)
    assert pool.slots == 3


@pytest.mark.slow
def test_a_killed_worker_costs_its_pool_and_the_next_one_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    with LocalPool(1, 1) as pool:
        first = pool.submit(os.getpid).result(60)
        slow = pool.submit(time.sleep, 60)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(BrokenExecutor):
            slow.result(60)
        assert pool.submit(os.getpid).result(60) != first


@pytest.mark.slow
def test_a_pool_that_is_closed_at_once_ends_what_runs() -> None:
    pool = LocalPool(1, 1)
    worker = pool.submit(os.getpid).result(60)
    pool.submit(time.sleep, 600)
    pool.shutdown(wait=False, cancel_futures=True)
    _gone(worker)


@pytest.mark.slow
def test_one_worker_times() -> None:
    with LocalPool(2, 2) as pool, pool.timing() as timer:
        assert timer.slots == 1
        assert len({timer.submit(os.getpid).result(60) for _ in range(2)}) == 1


def _gone(process: int) -> None:
    for _ in range(600):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {process} is still there")
