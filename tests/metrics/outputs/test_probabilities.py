import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.special import log_softmax as scipy_log_softmax
from scipy.special import softmax as scipy_softmax

from compress_onnx.metrics.outputs.probabilities import (
    OutputKind,
    as_probabilities,
    confidence,
    log_probabilities,
    log_softmax,
    looks_like_probabilities,
    margin,
    output_kinds,
    predicted,
    row_blocks,
    softmax,
)

LOGITS = arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(2, 5)),
    elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
)


@given(LOGITS)
def test_softmax_agrees_with_scipy_at_any_magnitude(logits: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(softmax(logits), scipy_softmax(logits.astype(np.float64), axis=1), atol=1e-12)


@given(LOGITS)
def test_log_softmax_is_finite_and_agrees_with_scipy(logits: NDArray[np.float32]) -> None:
    ours = log_softmax(logits)
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(ours, scipy_log_softmax(logits.astype(np.float64), axis=1), rtol=1e-12)


def test_the_logits_are_left_as_they_were() -> None:
    logits = np.array([[1.0, 2.0]])
    softmax(logits)
    log_softmax(logits)
    as_probabilities(logits)
    assert logits.tolist() == [[1.0, 2.0]]


def test_ties_go_to_the_lowest_index() -> None:
    assert predicted(np.array([[2.0, 5.0, 5.0], [7.0, 7.0, 7.0]], dtype=np.float32)).tolist() == [1, 0]


@given(LOGITS)
def test_confidence_and_margin_are_those_of_sorted_probabilities(logits: NDArray[np.float32]) -> None:
    probabilities = softmax(logits)
    ranked = np.sort(probabilities, axis=1)
    np.testing.assert_array_equal(confidence(probabilities), ranked[:, -1])
    np.testing.assert_array_equal(margin(probabilities), ranked[:, -1] - ranked[:, -2])


def test_a_model_with_its_own_softmax_is_recognized_and_left_alone() -> None:
    probabilities = softmax(np.random.default_rng(0).normal(size=(50, 10))).astype(np.float32)
    assert looks_like_probabilities(probabilities)
    np.testing.assert_allclose(as_probabilities(probabilities), probabilities, atol=1e-6)


@pytest.mark.parametrize(
    "outputs",
    [[[0.5, 0.51]], [[-0.1, 1.1]], [[0.5, 0.5], [3.0, 1.0]], [[0.0, 0.0]]],
    ids=["sum", "negative", "one row", "zeros"],
)
def test_logits_are_not_taken_for_probabilities(outputs: list[list[float]]) -> None:
    assert not looks_like_probabilities(np.array(outputs))
    np.testing.assert_allclose(as_probabilities(np.array(outputs)), scipy_softmax(np.array(outputs), axis=1))


def test_a_quantized_softmax_is_recognized_by_its_partner() -> None:
    exact = softmax(np.random.default_rng(1).normal(size=(50, 43))).astype(np.float32)
    quantized = (np.round(exact * 256) / 256).astype(np.float32)
    assert not looks_like_probabilities(quantized)
    assert set(output_kinds(exact, quantized)) == {OutputKind.PROBABILITIES}
    assert set(output_kinds(quantized, exact)) == {OutputKind.PROBABILITIES}


def test_a_logit_model_against_a_softmax_model_keeps_both_kinds() -> None:
    logits = np.random.default_rng(2).normal(size=(20, 4))
    assert output_kinds(logits, softmax(logits)) == (OutputKind.LOGITS, OutputKind.PROBABILITIES)


def test_both_kinds_of_one_model_give_the_same_log_probabilities() -> None:
    logits = np.random.default_rng(3).normal(size=(20, 4))
    from_logits = log_probabilities(logits, OutputKind.LOGITS)
    from_probabilities = log_probabilities(softmax(logits), OutputKind.PROBABILITIES)
    np.testing.assert_allclose(from_logits, from_probabilities, atol=1e-12)


@given(st.integers(1, 3_000_000), st.integers(1, 3000))
def test_blocks_cover_every_row_once(n: int, c: int) -> None:
    blocks = list(row_blocks((n, c)))
    assert blocks[0].start == 0
    assert blocks[-1].stop == n
    assert all(left.stop == right.start for left, right in itertools.pairwise(blocks))
