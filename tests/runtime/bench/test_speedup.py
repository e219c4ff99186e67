from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.records.base import Better
from compress_onnx.records.latency import LatencyComparison, LatencyRun
from compress_onnx.runtime.bench.latency import LatencyPlan, Timings, latency_run
from compress_onnx.runtime.bench.rounds import RoundTiming
from compress_onnx.runtime.bench.speedup import (
    compare_latency,
    is_significant,
    noise_floor,
    paired_speedup,
    round_medians,
)

NS = 1_000_000


def of(values_ms: list[float]) -> LatencyRun:
    spent = tuple(round(value * NS) for value in values_ms)
    heat = RoundTiming(load_ns=NS, first_ns=NS, warmup_ns=(), values_ns=spent, resident_bytes=None, peak_bytes=None)
    return latency_run([heat], batch=1)


def steady(ms: float, rounds: int = 10, calls: int = 5) -> LatencyRun:
    return of([ms] * (rounds * calls))


def drifting(factor: float) -> LatencyRun:
    """A machine that slows down round by round, alike for both models."""
    return of([factor * (1 + 0.02 * (i // 5)) for i in range(50)])


def compared(
    baseline: LatencyRun, candidate: LatencyRun, *, again: LatencyRun | None = None, **plan: int
) -> LatencyComparison:
    timings = Timings(runs=(baseline, candidate), repeat=again or baseline, cores=(1,), warnings=("hot",))
    plan_ = LatencyPlan(**{"rounds": 10, "calls": 5, **plan})
    return compare_latency(timings, 1, plan=plan_, rng=np.random.default_rng(0))


def test_drift_shared_by_both_cancels_in_the_paired_ratio() -> None:
    found = compared(drifting(3.0), drifting(2.0))
    assert found.speedup.value == pytest.approx(1.5)
    assert found.speedup.interval is not None
    assert found.speedup.interval.low == pytest.approx(1.5)
    assert found.speedup.interval.high == pytest.approx(1.5)
    assert found.speedup.better is Better.HIGHER
    assert found.significant


def test_comparison_keeps_runs_plan_and_warnings() -> None:
    baseline, candidate, again = steady(4.0), steady(2.0), steady(4.2)
    found = compared(baseline, candidate, again=again, threads=2, batch=8)
    assert (found.baseline, found.candidate) == (baseline, candidate)
    assert (found.threads, found.batch, found.rounds, found.cores) == (2, 8, 10, (1,))
    assert found.warnings == ("hot",)
    assert found.repeat_ms == (4.2,) * 10
    assert found.noise_floor is not None
    assert found.noise_floor.value == pytest.approx(0.05)
    assert found.speedup.n == 10


def test_unstable_run_is_named() -> None:
    found = compared(steady(1.0), of([1.0, 3.0] * 25))
    assert [warning.split(":")[0] for warning in found.warnings] == ["hot", "candidate"]


def test_few_rounds_have_no_interval_and_say_so() -> None:
    found = compared(steady(4.0, rounds=5), steady(2.0, rounds=5), rounds=5)
    assert (found.speedup.value, found.speedup.interval) == (pytest.approx(2.0), None)
    assert found.warnings == ("hot", "5 rounds: the speed-up's interval needs at least 6")
    assert found.significant is None
    assert found.noise_floor is not None
    assert found.noise_floor.undefined_reason == "the noise floor needs at least 6 rounds, there are 5"


# ---------------------------------------------------------------------------------------------- significance


def drawn(rng: np.random.Generator, scale: float, spread: float = 0.02, rounds: int = 10) -> np.ndarray:
    """Round medians of one file: its own time, and what its process draws for its life, with a heavy tail."""
    return scale * np.exp(spread * rng.standard_t(4, rounds))


def verdicts(true: float, times: int) -> list[bool | None]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(times):
        baseline, candidate, again = drawn(rng, 1.0), drawn(rng, true), drawn(rng, 1.0)
        speedup = paired_speedup(baseline, candidate, rng=rng)
        found.append(is_significant(speedup, noise_floor(baseline, again, rng=rng)))
    return found


def test_a_file_against_itself_is_hardly_ever_significant() -> None:
    # In 2,000 trials of this kind 9 were.
    assert sum(map(bool, verdicts(1.0, 120))) <= 3


@pytest.mark.parametrize("true", [1.1, 1 / 1.1])
def test_a_tenth_is_nearly_always_significant(true: float) -> None:
    assert sum(map(bool, verdicts(true, 60))) >= 58


def test_a_speedup_inside_the_noise_floor_is_not_significant() -> None:
    rng = np.random.default_rng(0)
    speedup = paired_speedup(np.full(10, 1.02), np.full(10, 1.0), rng=rng)
    assert is_significant(speedup, noise_floor(np.full(10, 1.0), np.full(10, 1.01), rng=rng)) is True
    assert is_significant(speedup, noise_floor(np.full(10, 1.0), np.full(10, 1.03), rng=rng)) is False


def test_the_noise_floor_is_the_same_whichever_copy_is_slower() -> None:
    first, second = np.full(10, 1.0), np.full(10, 1.25)
    floors = [noise_floor(*pair, rng=np.random.default_rng(0)).value for pair in ((first, second), (second, first))]
    assert floors == [pytest.approx(0.25), pytest.approx(0.25)]


rounds_of_ms = st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=1, max_size=15)


@given(rounds_of_ms)
def test_swapping_the_models_inverts_the_speedup(pairs: list[tuple[float, float]]) -> None:
    baseline, candidate = np.array(pairs).T
    forth = paired_speedup(baseline, candidate, rng=np.random.default_rng(0)).value
    back = paired_speedup(candidate, baseline, rng=np.random.default_rng(0)).value
    assert forth == pytest.approx(1 / back)


@given(rounds_of_ms)
def test_interval_holds_the_estimate_and_repeats_with_its_seed(pairs: list[tuple[float, float]]) -> None:
    baseline, candidate = np.array(pairs).T
    first, second = (paired_speedup(baseline, candidate, rng=np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert (first.interval is None) == (len(pairs) < 6)
    if first.interval is not None:
        slack = 1e-9 * first.value
        assert first.interval.low - slack <= first.value <= first.interval.high + slack


def test_interval_covers_the_true_ratio_nearly_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        noise = rng.normal(0, 0.05, (2, 10))
        interval = paired_speedup(3 * np.exp(noise[0]), 2 * np.exp(noise[1]), rng=rng).interval
        covered += interval.low <= 1.5 <= interval.high
    assert 0.90 <= covered / 300 <= 1.0


def test_call_of_no_time_at_all_gives_a_finite_ratio() -> None:
    found = paired_speedup(np.zeros(6), np.zeros(6), rng=np.random.default_rng(0))
    assert found.value == 1.0


def test_round_medians_follow_the_order_of_rounds() -> None:
    values = np.random.default_rng(0).exponential(size=60)
    assert round_medians(values, 6).tolist() == [float(np.median(values[10 * i : 10 * i + 10])) for i in range(6)]
