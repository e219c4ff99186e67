from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage, stats

from compress_onnx.metrics.saliency.similarity import (
    center_shift_px,
    cosine,
    mean_absolute_deviation,
    mean_ranks,
    normalized,
    spearman,
    ssim,
    top_k_overlap,
)

# Whole numbers bring ties and constant maps; a second strategy brings magnitudes.
MAPS = arrays(np.float32, (3, 8, 9), elements=st.integers(-2, 3).map(float)) | arrays(
    np.float32, (3, 8, 9), elements=st.floats(-1e6, 1e6, width=32)
)
ALL = [mean_absolute_deviation, spearman, top_k_overlap, ssim, cosine, center_shift_px]


@pytest.fixture(scope="module")
def maps() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(8)
    first = ndimage.gaussian_filter(rng.normal(size=(6, 32, 24)), (0, 2, 2)).astype(np.float32)
    return first, (first + 0.1 * rng.normal(size=first.shape)).astype(np.float32)


def naive_ssim(x: NDArray[np.float64], y: NDArray[np.float64], side: tuple[int, int] = (7, 7)) -> float:
    values = []
    for row in range(x.shape[0] - side[0] + 1):
        for column in range(x.shape[1] - side[1] + 1):
            window = slice(row, row + side[0]), slice(column, column + side[1])
            a, b = x[window], y[window]
            covariance = ((a - a.mean()) * (b - b.mean())).mean()
            luminance = (2 * a.mean() * b.mean() + 1e-4) / (a.mean() ** 2 + b.mean() ** 2 + 1e-4)
            values.append(luminance * (2 * covariance + 9e-4) / (a.var() + b.var() + 9e-4))
    return np.mean(values)


def test_ssim_agrees_with_a_loop_over_the_windows(maps: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    a, b = (normalized(m) for m in maps)
    np.testing.assert_allclose(ssim(*maps), [naive_ssim(x, y) for x, y in zip(a, b, strict=True)], atol=1e-10)


def test_ssim_agrees_with_torchmetrics(maps: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    torch = pytest.importorskip("torch")
    image = pytest.importorskip("torchmetrics.functional.image")
    torch.set_num_threads(1)
    a, b = (torch.from_numpy(normalized(m))[:, None] for m in maps)
    _, full = image.structural_similarity_index_measure(
        a, b, gaussian_kernel=False, kernel_size=7, data_range=1.0, reduction="none", return_full_image=True
    )
    whole_windows = full[:, 0, 3:-3, 3:-3].numpy()  # torchmetrics also averages windows of mirrored pixels
    np.testing.assert_allclose(ssim(*maps), whole_windows.mean(axis=(1, 2)), atol=1e-9)


def test_a_map_smaller_than_the_window_is_one_window() -> None:
    x, y = np.random.default_rng(0).random((2, 5, 4))
    assert ssim(x[None], y[None])[0] == pytest.approx(
        naive_ssim(*(normalized(m[None])[0] for m in (x, y)), side=(5, 4))
    )


@settings(max_examples=40)
@given(MAPS)
def test_ranks_agree_with_scipy(maps: NDArray[np.float32]) -> None:
    rows = maps.reshape(3, -1)
    np.testing.assert_array_equal(mean_ranks(rows), stats.rankdata(rows, axis=1) - 1)


@settings(max_examples=40)
@given(MAPS, MAPS)
def test_spearman_agrees_with_scipy_and_flat_maps_have_no_order(a: NDArray[np.float32], b: NDArray[np.float32]) -> None:
    for x, y, ours in zip(a, b, spearman(a, b), strict=True):
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            assert ours == float(np.ptp(x) == np.ptp(y))
        else:
            assert ours == pytest.approx(stats.spearmanr(x.ravel(), y.ravel()).statistic, abs=1e-9)


@settings(max_examples=40)
@given(MAPS, MAPS, st.sampled_from([0.01, 0.1, 0.5, 1.0]))
def test_top_pixels_agree_with_a_stable_sort(a: NDArray[np.float32], b: NDArray[np.float32], fraction: float) -> None:
    k = max(1, round(fraction * 72))
    for x, y, ours in zip(a, b, top_k_overlap(a, b, fraction), strict=True):
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            assert ours == (1 if np.ptp(x) == np.ptp(y) else k / 72)
            continue
        strongest = [set(np.argsort(-m.ravel(), kind="stable")[:k].tolist()) for m in (x, y)]
        assert ours == pytest.approx(len(strongest[0] & strongest[1]) / k)


@settings(max_examples=40)
@given(MAPS)
def test_normalized_maps_span_zero_to_one_or_are_all_zero(maps: NDArray[np.float32]) -> None:
    for before, after in zip(maps, normalized(maps), strict=True):
        expected = (0, 1) if np.ptp(before) > 0 else (0, 0)
        assert (after.min(), after.max()) == expected


@settings(max_examples=40)
@given(MAPS, MAPS)
def test_deviation_agrees_with_a_loop(a: NDArray[np.float32], b: NDArray[np.float32]) -> None:
    for x, y, ours in zip(a, b, mean_absolute_deviation(a, b), strict=True):
        assert ours == pytest.approx(np.abs(normalized(x[None]) - normalized(y[None])).sum() / 72, abs=1e-12)
        assert 0 <= ours <= 1


def test_cosine_agrees_with_the_definition(maps: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    a, b = (m.reshape(6, -1).astype(np.float64) for m in maps)
    expected = [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(cosine(*maps), expected, rtol=1e-12)
    nothing, even = np.zeros((1, 2, 2)), np.ones((1, 2, 2))
    assert (cosine(nothing, even)[0], cosine(nothing, nothing)[0], cosine(even, 3 * even)[0]) == (
        0,
        1,
        pytest.approx(1),
    )


def test_center_of_mass_agrees_with_scipy(maps: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    centers = [[ndimage.center_of_mass(m) for m in normalized(one)] for one in maps]
    expected = np.linalg.norm(np.array(centers[1]) - np.array(centers[0]), axis=1)
    np.testing.assert_allclose(center_shift_px(*maps), expected, rtol=1e-9)


@pytest.mark.parametrize(("measure", "best"), list(zip(ALL, [0, 1, 1, 1, 1, 0], strict=True)))
def test_a_map_is_most_like_itself(
    maps: tuple[NDArray[np.float32], NDArray[np.float32]], measure: Callable[..., NDArray[np.float64]], best: float
) -> None:
    np.testing.assert_allclose(measure(maps[0], maps[0]), best, atol=1e-12)


@pytest.mark.parametrize("measure", ALL)
@settings(max_examples=20)
@given(a=MAPS, b=MAPS)
def test_the_order_of_the_maps_does_not_matter(
    measure: Callable[..., NDArray[np.float64]], a: NDArray[np.float32], b: NDArray[np.float32]
) -> None:
    np.testing.assert_allclose(measure(a, b), measure(b, a), atol=1e-9)


@pytest.mark.parametrize("measure", [mean_absolute_deviation, spearman, top_k_overlap, ssim, center_shift_px])
def test_brightness_and_contrast_of_a_map_do_not_matter(
    maps: tuple[NDArray[np.float32], NDArray[np.float32]], measure: Callable[..., NDArray[np.float64]]
) -> None:
    a, b = (m.astype(np.float64) for m in maps)
    np.testing.assert_allclose(measure(4 * a + 8, b), measure(a, b), atol=1e-9)


@pytest.mark.parametrize("measure", ALL)
@settings(max_examples=20)
@given(a=MAPS, b=MAPS)
def test_every_pair_has_a_value(
    measure: Callable[..., NDArray[np.float64]], a: NDArray[np.float32], b: NDArray[np.float32]
) -> None:
    assert np.isfinite(measure(a, b)).all()


@pytest.mark.parametrize(("measure", "best"), list(zip(ALL, [0, 1, 1, 1, 1, 0], strict=True)))
def test_two_flat_maps_are_alike_whatever_their_height(
    measure: Callable[..., NDArray[np.float64]], best: float
) -> None:
    assert measure(np.full((1, 8, 8), 2.0), np.full((1, 8, 8), 7.0)) == pytest.approx(best, abs=1e-12)


def test_a_flat_map_looks_at_the_middle() -> None:
    corner = np.zeros((1, 3, 5))
    corner[0, 0, 0] = 1
    assert center_shift_px(np.ones((1, 3, 5)), corner)[0] == pytest.approx(np.hypot(1, 2))
    assert mean_absolute_deviation(np.ones((1, 3, 5)), corner)[0] == pytest.approx(1 / 15)


def test_maps_of_one_pixel_have_values() -> None:
    one, two = np.ones((1, 1, 1)), np.full((1, 1, 1), 2.0)
    assert [measure(one, two)[0] for measure in ALL] == [0, 1, 1, 1, 1, 0]
