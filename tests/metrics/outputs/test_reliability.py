from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from compress_onnx.metrics.outputs.reliability import (
    equal_mass_bins,
    expected_calibration_error,
    reliability_bins,
    weighted_gap,
)

SAMPLES = st.lists(
    st.tuples(st.floats(0, 1) | st.sampled_from([0.0, 0.2, 1 / 3, 0.5, 1.0]), st.booleans()), min_size=1, max_size=60
)


def equal_mass_calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float | None:
    return weighted_gap(equal_mass_bins(confidence), right - confidence)


def arrays_of(samples: list[tuple[float, bool]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.array([c for c, _ in samples]), np.array([r for _, r in samples])


@given(SAMPLES, st.integers(1, 20))
def test_bins_agree_with_a_loop(samples: list[tuple[float, bool]], bins: int) -> None:
    confidence, right = arrays_of(samples)
    for index, found in enumerate(reliability_bins(confidence, right, bins)):
        inside = (confidence >= found.low) & ((confidence < found.high) | (index == bins - 1))
        assert found.n == inside.sum()
        if found.n:
            assert found.mean_confidence == pytest.approx(confidence[inside].mean())
            assert found.accuracy == pytest.approx(right[inside].mean())
        else:
            assert (found.mean_confidence, found.accuracy) == (None, None)


@given(SAMPLES)
def test_error_is_the_gap_over_the_reliability_bins(samples: list[tuple[float, bool]]) -> None:
    confidence, right = arrays_of(samples)
    filled = [b for b in reliability_bins(confidence, right) if b.n]
    expected = sum(b.n * abs(b.accuracy - b.mean_confidence) for b in filled) / len(samples)
    assert expected_calibration_error(confidence, right) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("measure", [expected_calibration_error, equal_mass_calibration_error])
@given(samples=SAMPLES, seed=st.integers(0, 99))
def test_the_order_of_the_samples_does_not_matter(
    measure: Callable[..., float | None], samples: list[tuple[float, bool]], seed: int
) -> None:
    confidence, right = arrays_of(samples)
    order = np.random.default_rng(seed).permutation(len(samples))
    assert measure(confidence[order], right[order]) == pytest.approx(measure(confidence, right), abs=1e-12)


@pytest.mark.parametrize("measure", [expected_calibration_error, equal_mass_calibration_error])
@given(samples=SAMPLES)
def test_errors_lie_between_the_overall_gap_and_one(
    measure: Callable[..., float | None], samples: list[tuple[float, bool]]
) -> None:
    confidence, right = arrays_of(samples)
    overall = abs(confidence.mean() - right.mean())
    assert overall - 1e-12 <= measure(confidence, right) <= 1 + 1e-12


def test_equal_mass_agrees_with_a_split_of_the_sorted_samples() -> None:
    rng = np.random.default_rng(4)
    confidence = rng.random(600)
    right = rng.random(600) < confidence**2
    parts = np.array_split(np.argsort(confidence), 15)
    expected = sum(abs(right[part].sum() - confidence[part].sum()) for part in parts) / 600
    assert equal_mass_calibration_error(confidence, right) == pytest.approx(expected, abs=1e-12)


def test_no_samples_have_no_error() -> None:
    nothing = np.array([]), np.array([], dtype=bool)
    assert expected_calibration_error(*nothing) is None
    assert equal_mass_calibration_error(*nothing) is None
