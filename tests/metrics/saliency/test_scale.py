from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from compress_onnx.metrics.saliency.group import MEASURES, MapSimilarities, map_similarities
from compress_onnx.metrics.saliency.scale import FURTHER, NO_LENGTH, Anchors, scale_positions


def noisy(amount: float, n: int = 80) -> MapSimilarities:
    maps = np.random.default_rng(0).random((n, 10, 10))
    return map_similarities(maps, maps + amount * np.random.default_rng(1).random(maps.shape))


EVERY = np.ones(80, dtype=bool)
FLOOR, MIDDLE, CEILING = noisy(0.05), noisy(0.6), noisy(5.0)
ANCHORS = Anchors(floor=FLOOR, ceiling=CEILING)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(("candidate", "place"), [(FLOOR, 0.0), (CEILING, 1.0)])
def test_the_anchors_lie_at_the_ends_by_every_measure(candidate: MapSimilarities, place: float) -> None:
    deviation, further = scale_positions(candidate, ANCHORS, EVERY, rng())
    for measure in (deviation, *(getattr(further, name) for name in FURTHER)):
        assert measure.value == pytest.approx(place, abs=1e-12)
        assert (measure.interval.low, measure.interval.high) == pytest.approx((place, place), abs=1e-12)


def test_a_candidate_lies_where_its_means_say() -> None:
    mask = np.arange(80) % 3 > 0
    deviation, further = scale_positions(MIDDLE, ANCHORS, mask, rng())
    for name, measure in {"mean_absolute_deviation": deviation, "ssim": further.ssim}.items():
        low, here, high = (getattr(side, name)[mask].mean() for side in (FLOOR, MIDDLE, CEILING))
        assert measure.value == pytest.approx((here - low) / (high - low))
        assert measure.interval.low < measure.value < measure.interval.high
        assert measure.n == mask.sum()


def test_the_interval_pairs_candidate_and_anchors() -> None:
    """What moves all three alike says nothing about the place, so a paired interval is narrow."""
    difficulty = np.random.default_rng(2).gamma(2, size=400)
    sides = [MapSimilarities(**dict.fromkeys(MEASURES, share * difficulty)) for share in (0.1, 0.4, 1.1)]
    deviation, _ = scale_positions(sides[1], Anchors(floor=sides[0], ceiling=sides[2]), np.ones(400, bool), rng())
    assert deviation.value == pytest.approx(0.3)
    assert deviation.interval.high - deviation.interval.low < 1e-9


@pytest.mark.slow
def test_intervals_hold_the_true_place_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(120):
        draw = np.random.default_rng(seed)
        difficulty = draw.gamma(3, size=60)
        sides = [
            MapSimilarities(**dict.fromkeys(MEASURES, m * difficulty * draw.gamma(4, 0.25, size=60)))
            for m in (0.1, 0.4, 1.1)
        ]
        deviation, _ = scale_positions(sides[1], Anchors(floor=sides[0], ceiling=sides[2]), np.ones(60, bool), draw)
        held += deviation.interval.low <= 0.3 <= deviation.interval.high
    assert 0.87 < held / 120 <= 1.0


def test_no_ceiling_is_a_reason_by_every_measure() -> None:
    missing = Anchors(floor=FLOOR, ceiling=None, missing="the copy overflowed")
    deviation, further = scale_positions(MIDDLE, missing, EVERY, rng())
    reasons = {deviation.undefined_reason, *(getattr(further, name).undefined_reason for name in FURTHER)}
    assert reasons == {"the copy overflowed"}


def test_a_ceiling_below_the_floor_places_nobody() -> None:
    deviation, further = scale_positions(MIDDLE, Anchors(floor=CEILING, ceiling=FLOOR), EVERY, rng())
    assert deviation.undefined_reason == further.spearman.undefined_reason == NO_LENGTH


def test_a_scale_too_short_for_its_noise_has_no_interval() -> None:
    draw = np.random.default_rng(3)
    short = dataclasses.replace(
        FLOOR, mean_absolute_deviation=FLOOR.mean_absolute_deviation + draw.normal(1e-4, 0.05, 80)
    )
    deviation, _ = scale_positions(MIDDLE, Anchors(floor=FLOOR, ceiling=short), EVERY, rng())
    assert deviation.interval is None


def test_one_sample_has_a_place_and_no_interval() -> None:
    deviation, _ = scale_positions(MIDDLE, ANCHORS, np.arange(80) == 3, rng())
    assert deviation.value is not None
    assert (deviation.n, deviation.interval) == (1, None)


def test_no_sample_has_no_place() -> None:
    deviation, _ = scale_positions(MIDDLE, ANCHORS, ~EVERY, rng())
    assert deviation.undefined_reason == "there are no samples"
