"""Magnitude pruning against a naive sort, and its invariants on any weights."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from compress_onnx.compress.pruning.magnitude import pruned_globally, pruned_layerwise, zero_count

Tensors = list[NDArray[np.floating]]
# Few distinct values, so that ties are the rule.
values = st.sampled_from([0.0, 0.5, -0.5, 1.0, -1.0, 2.5, -7.0])
tensor = st.sampled_from([np.float32, np.float16, np.float64]).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=2, max_dims=4, max_side=5), elements=values)
)
tensors = st.lists(tensor, min_size=1, max_size=4)
sparsities = st.integers(0, 999).map(lambda thousandths: thousandths / 1000)


def naive(weights: Tensors, sparsity: float) -> Tensors:
    """Sort all weights by magnitude, then tensor, then position; zero the first floor(s * n)."""
    places = [(abs(float(w)), t, i) for t, array in enumerate(weights) for i, w in enumerate(array.ravel())]
    result = [array.ravel().copy() for array in weights]
    for _, t, i in sorted(places)[: math.floor(Decimal(str(sparsity)) * len(places))]:
        result[t][i] = 0
    return [flat.reshape(array.shape) for flat, array in zip(result, weights, strict=True)]


@given(tensors, sparsities)
def test_global_pruning_is_the_naive_sort(weights: Tensors, sparsity: float) -> None:
    pruned = pruned_globally(weights, sparsity)
    for ours, expected in zip(pruned, naive(weights, sparsity), strict=True):
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)


@given(tensors, sparsities)
def test_layerwise_pruning_is_the_naive_sort_of_each_tensor(weights: Tensors, sparsity: float) -> None:
    for ours, weight in zip(pruned_layerwise(weights, sparsity), weights, strict=True):
        np.testing.assert_array_equal(ours, naive([weight], sparsity)[0])


@given(tensor, sparsities)
def test_without_zeros_before_there_are_exactly_as_many_as_asked_for(
    weight: NDArray[np.floating], sparsity: float
) -> None:
    weight = np.where(weight == 0, weight.dtype.type(3), weight)
    (pruned,) = pruned_globally([weight], sparsity)
    assert np.count_nonzero(pruned == 0) == math.floor(Decimal(str(sparsity)) * weight.size)


@given(tensors, sparsities)
def test_pruning_twice_is_pruning_once(weights: Tensors, sparsity: float) -> None:
    once = pruned_globally(weights, sparsity)
    for first, second in zip(once, pruned_globally(once, sparsity), strict=True):
        np.testing.assert_array_equal(first, second)


@given(tensors, sparsities, sparsities)
def test_zeros_of_a_smaller_sparsity_are_zeros_of_a_larger(weights: Tensors, one: float, other: float) -> None:
    less, more = (pruned_globally(weights, s) for s in sorted([one, other]))
    for few, many in zip(less, more, strict=True):
        assert not np.any((few == 0) & (many != 0))


@given(tensors, sparsities)
def test_no_zero_that_pruning_makes_is_negative_and_the_rest_stays(weights: Tensors, sparsity: float) -> None:
    before = [weight.copy() for weight in weights]
    for pruned, weight, copy in zip(pruned_globally(weights, sparsity), weights, before, strict=True):
        assert not np.any(np.signbit(pruned) & (pruned == 0))
        assert np.all((pruned == weight) | (pruned == 0))
        np.testing.assert_array_equal(weight, copy)


@pytest.mark.parametrize(("n", "sparsity", "zeros"), [(100, 0.29, 29), (10, 0.3, 3), (1000, 0.999, 999), (3, 0.5, 1)])
def test_the_sparsity_counts_as_it_is_written(n: int, sparsity: float, zeros: int) -> None:
    assert zero_count(n, sparsity) == zeros


@given(st.integers(0, 10**8), st.integers(0, 9999))
def test_zero_count_is_exact_in_decimal(n: int, ten_thousandths: int) -> None:
    assert zero_count(n, ten_thousandths / 10_000) == n * ten_thousandths // 10_000


def test_no_tensors_give_no_tensors() -> None:
    assert pruned_globally([], 0.5) == pruned_layerwise([], 0.5) == []


def test_agrees_with_torch_on_distinct_magnitudes() -> None:
    torch = pytest.importorskip("torch")
    prune = pytest.importorskip("torch.nn.utils.prune")
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 8, 3), torch.nn.Linear(50, 20)]
    before = [layer.weight.detach().numpy().copy() for layer in layers]
    amount = zero_count(sum(weight.size for weight in before), 0.37)
    prune.global_unstructured([(layer, "weight") for layer in layers], prune.L1Unstructured, amount=amount)
    for ours, layer in zip(pruned_globally(before, 0.37), layers, strict=True):
        np.testing.assert_array_equal(ours, layer.weight.detach().numpy())
