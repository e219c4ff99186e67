from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.records import Better, LatencyRun
from compress_onnx.runtime.latency import LatencyPlan, latency_run
from compress_onnx.runtime.speedup import (
    compare_latency,
    crowding_warnings,
    machine_warnings,
    paired_speedup,
    round_medians,
    spread_warnings,
)


def steady(ms: float, rounds: int = 10, calls: int = 5) -> LatencyRun:
    return latency_run([ms] * (rounds * calls), warmup_ms=[9 * ms], load_ms=50.0)


def drifting(factor: float) -> LatencyRun:
    """A machine that slows down round by round, alike for both models."""
    return latency_run([factor * (1 + 0.02 * (i // 5)) for i in range(50)], warmup_ms=[], load_ms=1.0)


def test_drift_shared_by_both_cancels_in_the_paired_ratio() -> None:
    found = compare_latency(
        drifting(3.0), drifting(2.0), plan=LatencyPlan(rounds=10, calls=5), rng=np.random.default_rng(0), warnings=()
    )
    assert found.speedup.value == pytest.approx(1.5)
    assert found.speedup.interval is not None
    assert found.speedup.interval.low == pytest.approx(1.5)
    assert found.speedup.interval.high == pytest.approx(1.5)
    assert found.speedup.better is Better.HIGHER


def test_comparison_keeps_runs_plan_and_warnings() -> None:
    plan = LatencyPlan(threads=2, batch=8, rounds=10, calls=5)
    baseline, candidate = steady(4.0), steady(2.0)
    found = compare_latency(baseline, candidate, plan=plan, rng=np.random.default_rng(0), warnings=("hot",))
    assert (found.baseline, found.candidate) == (baseline, candidate)
    assert (found.threads, found.batch, found.rounds) == (2, 8, 10)
    assert found.warnings == ("hot",)
    assert found.speedup.n == 10


def test_unstable_run_is_named() -> None:
    shaky = latency_run([1.0, 3.0] * 25, warmup_ms=[], load_ms=1.0)
    found = compare_latency(
        steady(1.0), shaky, plan=LatencyPlan(rounds=10, calls=5), rng=np.random.default_rng(0), warnings=()
    )
    assert [warning.split(":")[0] for warning in found.warnings] == ["candidate"]


def test_few_rounds_have_no_interval_and_say_so() -> None:
    found = compare_latency(
        steady(4.0, rounds=5),
        steady(2.0, rounds=5),
        plan=LatencyPlan(rounds=5),
        rng=np.random.default_rng(0),
        warnings=(),
    )
    assert (found.speedup.value, found.speedup.interval) == (pytest.approx(2.0), None)
    assert found.warnings == ("5 rounds: the speed-up's interval needs at least 6",)


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


@pytest.mark.parametrize(
    ("threads", "load", "words"),
    [
        (4, 4.0, []),
        (5, 0.0, ["5 threads"]),
        (1, 4.1, ["load average 4.1"]),
        (8, 9.0, ["8 threads", "load average 9.0"]),
    ],
)
def test_crowded_machine_is_named(threads: int, load: float, words: list[str]) -> None:
    found = crowding_warnings(threads, cores=4, load=load)
    assert len(found) == len(words)
    assert all(warning.startswith(word) for warning, word in zip(found, words, strict=True))


def test_more_threads_than_this_machine_has_are_warned_of() -> None:
    assert "100000 threads" in machine_warnings(100_000)[0]


@pytest.mark.parametrize("values", [[], [1.0], [0.0, 0.0], [1.0, 1.0, 1.1]])
def test_steady_or_too_few_values_raise_no_warning(values: list[float]) -> None:
    assert spread_warnings("baseline", values) == ()
