"""Is a shift systematic? No where differences are noise, yes where one was put in, negligible where it is tiny."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.metrics.saliency.mean_shift import MeanShift, block_means, effects
from compress_onnx.metrics.saliency.similarity import normalized
from compress_onnx.records.saliency import ShiftVerdict, SystematicShift

Draw = Callable[[np.random.Generator, int], tuple[NDArray[np.float64], NDArray[np.float64]]]


def unchanged(rng: np.random.Generator, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both maps are noisy views of one: their difference is symmetric."""
    common = rng.random((n, 16, 16))
    return tuple(np.clip(common + 0.2 * rng.normal(size=common.shape), 0, 2) for _ in range(2))  # type: ignore[return-value]


def moved(by: float) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        before, after = unchanged(rng, n)
        after[:, :8] += by
        return before, after

    return draw


def shift_of(draw: Draw, n: int, seed: int = 0) -> MeanShift:
    shift = MeanShift(16, 16, np.random.default_rng(seed))
    before, after = draw(np.random.default_rng(seed + 100), n)
    for start in range(0, n, 50):
        rows = slice(start, start + 50)
        shift.add(shift.cells(before[rows]), shift.cells(after[rows]))
    return shift


def verdict_of(draw: Draw, n: int, seed: int = 0) -> SystematicShift:
    return shift_of(draw, n, seed).verdict()


@pytest.mark.slow
def test_noise_is_not_systematic_more_often_than_the_level_says() -> None:
    found = [verdict_of(unchanged, 60, seed) for seed in range(40)]
    assert sum(one.verdict is not ShiftVerdict.NOT_SYSTEMATIC for one in found) <= 6
    # What chance adds is taken off: on average nothing is left of effect and explained share.
    assert np.mean([one.effect.value for one in found]) < 0.05
    assert np.mean([one.explained.value for one in found]) < 0.005


def test_a_large_shift_is_systematic() -> None:
    found = verdict_of(moved(0.25), 200)
    assert (found.verdict, found.p_value) == (ShiftVerdict.SYSTEMATIC, 0.001)
    assert found.significant_fraction.value > 0.4
    assert found.effect.interval.low > 0.2
    assert 0.1 < found.explained.value < found.largest_effect <= 1


def test_a_tiny_shift_seen_in_thousands_of_pictures_is_negligible() -> None:
    found = verdict_of(moved(0.03), 3000)
    assert (found.verdict, found.p_value) == (ShiftVerdict.NEGLIGIBLE, 0.001)
    assert found.effect.interval.high < 0.2


@pytest.mark.parametrize("n", [40, 400])
def test_effect_and_explained_share_have_no_bias(n: int) -> None:
    rng = np.random.default_rng(3)
    means, spread = rng.normal(0, 0.3, size=20), rng.uniform(0.5, 2, size=20)
    found = []
    for _ in range(300):
        rows = means + spread * rng.normal(size=(n, 20))
        found.append(effects(rows.sum(axis=0), (rows**2).sum(axis=0), n))
    squares = means**2 + spread**2
    expected = [np.mean(means**2 / squares), (means**2).sum() / squares.sum()]
    np.testing.assert_allclose(np.mean(found, axis=0), expected, rtol=0.08)


@pytest.mark.slow
def test_intervals_hold_the_true_effect_about_as_often_as_they_say() -> None:
    truth = np.sqrt(np.mean(np.r_[np.full(128, 0.3**2 / (0.3**2 + 1)), np.zeros(128)]))
    held = 0
    for seed in range(60):
        rows = np.random.default_rng(seed).normal(size=(100, 16, 16))
        rows[:, :8] += 0.3
        shift = MeanShift(16, 16, np.random.default_rng(0))
        shift.add(np.zeros_like(rows), rows)
        interval = shift.verdict().effect.interval
        held += interval.low <= truth <= interval.high
    assert held / 60 > 0.85


def test_mean_maps_are_the_means_of_normalized_maps() -> None:
    before, after = moved(0.25)(np.random.default_rng(100), 120)
    maps = shift_of(moved(0.25), 120).maps()
    np.testing.assert_allclose(maps.baseline, normalized(before).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(maps.candidate, normalized(after).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(maps.difference, maps.candidate - maps.baseline, atol=1e-6)
    assert maps.significant.mean() == pytest.approx(shift_of(moved(0.25), 120).verdict().significant_fraction.value)


def test_large_maps_are_averaged_over_cells() -> None:
    rng = np.random.default_rng(0)
    shift = MeanShift(70, 50, rng)
    maps = rng.random((12, 70, 50))
    cells = shift.cells(maps)
    assert (shift.cell_px, cells.shape) == (3, (12, 24, 17))
    np.testing.assert_allclose(cells[:, 2, 4], normalized(maps)[:, 6:9, 12:15].mean(axis=(1, 2)))
    np.testing.assert_allclose(cells[:, -1, -1], normalized(maps)[:, 69:, 48:].mean(axis=(1, 2)))


def test_blocks_of_one_are_the_maps_themselves() -> None:
    maps = np.random.default_rng(0).random((2, 3, 4))
    assert block_means(maps, 1) is maps


@pytest.mark.parametrize("n", [1, 9])
def test_few_samples_are_undecided_with_the_reason(n: int) -> None:
    shift = shift_of(moved(0.5), n)
    found = shift.verdict()
    assert (found.verdict, found.p_value, found.n) == (ShiftVerdict.UNDECIDED, None, n)
    assert found.undefined_reason == found.effect.undefined_reason
    assert found.undefined_reason.startswith("at least 10 samples")
    assert not shift.maps().significant.any()


def test_a_model_against_itself_has_no_shift() -> None:
    shift = MeanShift(8, 8, np.random.default_rng(0))
    maps = np.random.default_rng(0).random((60, 8, 8))
    shift.add(maps, maps)
    found = shift.verdict()
    assert (found.verdict, found.p_value) == (ShiftVerdict.NOT_SYSTEMATIC, 1.0)
    assert (found.effect.value, found.explained.value, found.largest_effect) == (0, 0, 0)
