"""The choice of channels against rules that hold for any norms, ties and quotas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.compress.pruning.channel_choice import Filters, Quota, chosen, filter_norms, grouped, step_of


@st.composite
def networks(draw: st.DrawFn) -> dict[str, Filters]:
    """Weights of 1 to 9 filters; some share all their classes with the one before, some keep a few for good."""
    found: dict[str, Filters] = {}
    first = 0
    for number in range(draw(st.integers(1, 4))):
        last = list(found.values())[-1] if found and draw(st.booleans()) else None
        count = len(last.classes) if last else draw(st.integers(1, 9))
        classes = last.classes if last else np.arange(first, first + count)
        free = last.free if last else frozenset(draw(st.sets(st.sampled_from(classes.tolist()), min_size=count // 2)))
        norms = np.array(draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)), dtype=np.float64)
        found[f"w{number}"] = Filters(classes, norms, free)
        first += count
    return found


QUOTAS = st.builds(
    Quota,
    fraction=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
    scope=st.sampled_from(["layer", "global"]),
    least=st.integers(1, 3),
    multiple=st.integers(1, 4),
)


@given(weights=networks(), quota=QUOTAS)
def test_no_weight_loses_more_than_it_may(weights: dict[str, Filters], quota: Quota) -> None:
    gone = chosen(weights, quota)
    assert gone <= frozenset().union(*(filters.free for filters in weights.values()))
    for filters in weights.values():
        kept = set(filters.classes.tolist()) - gone
        assert len(kept) >= min(quota.least, len(filters.classes))
        assert len(kept) == len(filters.classes) or len(kept) % step_of(len(filters.classes), quota.multiple) == 0


@given(weights=networks(), fraction=st.sampled_from([0.0, 0.29, 0.5, 0.9]))
def test_a_layer_loses_the_lowest_of_its_free_filters(weights: dict[str, Filters], fraction: float) -> None:
    gone = chosen(weights, Quota(fraction=fraction, scope="layer"))
    for group in grouped(weights):
        lost = sorted(score for one, score in group.scores.items() if one in gone)
        asked = math.floor(fraction * len(group.scores) + 1e-9)
        spare = min(len(weights[name].classes) for name in group.names) - 1
        assert lost == sorted(group.scores.values())[: min(asked, spare)]


def test_groups_that_meet_late_are_one() -> None:
    left, right = (Filters(np.array([one, one + 1]), np.array([1.0, 2.0]), frozenset({one, one + 1})) for one in (0, 2))
    both = Filters(np.array([0, 1, 2, 3]), np.array([10.0, 20.0, 30.0, 40.0]), frozenset(range(4)))
    (group,) = grouped({"left": left, "right": right, "both": both})
    assert group.names == ("left", "right", "both")
    assert group.scores == {0: 11.0, 1: 22.0, 2: 31.0, 3: 42.0}


def test_filters_of_zeros_only_go_first_in_global_scope() -> None:
    zeros = Filters(np.array([0, 1]), np.zeros(2), frozenset({0, 1}))
    others = Filters(np.array([2, 3]), np.array([1.0, 3.0]), frozenset({2, 3}))
    assert chosen({"others": others, "zeros": zeros}, Quota(fraction=0.25, scope="global")) == {0}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_norms_agree_with_a_loop(axis: int, dtype: type[np.floating]) -> None:
    weight = np.random.default_rng(3).normal(size=(4, 5, 3, 3)).astype(dtype)
    wanted = [
        math.sqrt(sum(float(value) ** 2 for value in np.take(weight, place, axis).ravel()))
        for place in range(weight.shape[axis])
    ]
    np.testing.assert_allclose(filter_norms(weight, axis), wanted, rtol=1e-12)
