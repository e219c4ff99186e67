from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.errors import DataError
from compress_onnx.metrics.saliency.group import map_similarities, saliency_group, summarized
from compress_onnx.metrics.saliency.similarity import (
    center_shift_px,
    cosine,
    mean_absolute_deviation,
    spearman,
    ssim,
    top_k_overlap,
)

MEASURES = {
    "mean_absolute_deviation": mean_absolute_deviation,
    "spearman": spearman,
    "top_k_overlap": top_k_overlap,
    "ssim": ssim,
    "cosine": cosine,
    "center_shift_px": center_shift_px,
}


@pytest.fixture(scope="module")
def maps() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(5)
    first = rng.normal(size=(40, 12, 12)).astype(np.float32)
    return first, (first + 0.5 * rng.normal(size=first.shape)).astype(np.float32)


@pytest.mark.parametrize("name", MEASURES)
def test_means_and_intervals_are_over_the_chosen_samples(
    maps: tuple[NDArray[np.float32], NDArray[np.float32]], name: str
) -> None:
    mask = np.arange(40) % 3 == 0
    group = saliency_group(*maps, mask, np.random.default_rng(0))
    measure = getattr(group, name)
    assert group.n == measure.n == mask.sum()
    assert measure.value == pytest.approx(MEASURES[name](*maps)[mask].mean())
    assert measure.interval.low < measure.value < measure.interval.high


def test_comparing_once_and_summarizing_often_is_the_same(
    maps: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    mask = np.arange(40) < 25
    once = summarized(map_similarities(*maps), mask, np.random.default_rng(0))
    assert once == saliency_group(*maps, mask, np.random.default_rng(0))


def test_an_empty_group_is_none(maps: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    assert saliency_group(*maps, np.zeros(40, dtype=bool), np.random.default_rng(0)) is None


def test_flat_maps_count_like_any_other(maps: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    a, b = (m.copy() for m in maps)
    a[:5] = 1.0
    group = saliency_group(a, b, np.ones(40, dtype=bool), np.random.default_rng(0))
    assert {getattr(group, name).n for name in MEASURES} == {40}
    assert group.spearman.value == pytest.approx(spearman(*maps)[5:].sum() / 40)


def test_only_flat_maps_have_not_moved() -> None:
    flat = np.ones((4, 8, 8))
    group = saliency_group(flat, 3 * flat, np.ones(4, dtype=bool), np.random.default_rng(0))
    assert (group.mean_absolute_deviation.value, group.center_shift.value) == (0, 0)
    assert [getattr(group, name).value for name in ("spearman", "top_k_overlap", "ssim", "cosine")] == pytest.approx(
        [1] * 4
    )


def test_the_center_moves_by_as_many_pixels_as_diagonals() -> None:
    left, right = np.zeros((2, 1, 4, 5))
    left[0, :, 0] = right[0, :, 4] = 1
    group = saliency_group(left, right, np.ones(1, dtype=bool), np.random.default_rng(0))
    assert (group.center_shift_px.value, group.center_shift.value) == pytest.approx((4, 0.8))


def test_one_sample_has_a_value_and_no_interval(maps: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    group = saliency_group(*maps, np.arange(40) == 3, np.random.default_rng(0))
    assert (group.n, group.ssim.interval) == (1, None)


@pytest.mark.slow
def test_more_maps_than_one_block_are_all_compared() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 30, 200, 200))
    np.testing.assert_allclose(map_similarities(a, b).ssim, ssim(a, b), atol=1e-12)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda a: a[:, :5], "one shape"),
        (lambda a: a[:3], "one shape"),
        (lambda a: np.where(a == a.max(), np.nan, a), "finite saliency maps"),
        (lambda a: a[0], "one shape"),
    ],
)
def test_maps_that_cannot_be_compared_are_refused(
    maps: tuple[NDArray[np.float32], NDArray[np.float32]], broken: Callable[..., Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        map_similarities(maps[0], broken(maps[1]))
