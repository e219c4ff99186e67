from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.runtime.cpu.affinity import core_numbers, kept_off, worker_cores

cores = st.sets(st.integers(0, 200), min_size=1, max_size=12).map(sorted)


@given(cores, st.integers(1, 12))
def test_workers_get_as_many_cores_as_threads_or_none(usable: list[int], threads: int) -> None:
    found = worker_cores(threads, usable)
    assert set(found) <= set(usable)
    assert len(found) == (threads if threads <= len(usable) else 0)


def test_this_process_runs_on_its_cores() -> None:
    assert set(core_numbers()) == os.sched_getaffinity(0)


@pytest.mark.skipif(len(core_numbers()) < 2, reason="this machine has one core")
def test_all_threads_keep_off_and_come_back() -> None:
    before, done = os.sched_getaffinity(0), threading.Event()
    places: list[set[int]] = []
    thread = threading.Thread(target=done.wait)
    thread.start()
    taken = core_numbers()[-1]
    with kept_off([taken]):
        places += [os.sched_getaffinity(0), os.sched_getaffinity(thread.native_id or 0)]
    assert places == [before - {taken}] * 2
    assert os.sched_getaffinity(thread.native_id or 0) == os.sched_getaffinity(0) == before
    done.set()
    thread.join()


def test_without_a_core_left_nothing_moves() -> None:
    before = os.sched_getaffinity(0)
    with kept_off(core_numbers()):
        assert os.sched_getaffinity(0) == before
    with kept_off([]):
        assert os.sched_getaffinity(0) == before
