"""What ``bench`` is asked for becomes settings that are timed."""

from __future__ import annotations

import pytest

from compress_onnx.cli.arguments.timing import TimingFlags
from compress_onnx.errors import OptionError
from compress_onnx.options import CALLS, DURATION, ROUNDS


def test_every_number_of_threads_is_timed_with_every_batch() -> None:
    sweep = TimingFlags(threads="1,2", batch="4,1").sweep()
    assert [(plan.threads, plan.batch) for plan in sweep.plans()] == [(1, 4), (1, 1), (2, 4), (2, 1)]


def test_a_duration_is_timed_unless_calls_are_counted() -> None:
    (plan,) = TimingFlags().sweep().plans()
    assert (plan.rounds, plan.calls, plan.duration_s) == (ROUNDS.default, CALLS.default, DURATION.default)
    (plan,) = TimingFlags(calls=3, spinning=False).sweep().plans()
    assert (plan.calls, plan.duration_s, plan.spinning) == (3, None, False)


def test_numbers_out_of_bounds_are_refused() -> None:
    with pytest.raises(OptionError, match="threads at least 1, got 0"):
        TimingFlags(threads="0").sweep()
