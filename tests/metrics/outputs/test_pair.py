from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from compress_onnx.errors import DataError
from compress_onnx.metrics.outputs.pair import LogitPair

GOOD = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]], dtype=np.float32)
NAMES = ("a", "b", "c")


def pair_of(**changed: Any) -> LogitPair:
    fields = {"labels": np.array([0, 1]), "baseline": GOOD, "candidate": GOOD, "class_names": NAMES}
    return LogitPair(**(fields | changed))


def with_value(value: Any) -> NDArray[np.float32]:
    broken = GOOD.copy()
    broken[1, 2] = value
    return broken


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"candidate": GOOD[:, :2]}, r"one shape .* got \(2, 3\) from the baseline and \(2, 2\) from the candidate"),
        ({"candidate": GOOD[:1]}, "same classes on the same images"),
        ({"baseline": GOOD[:0], "candidate": GOOD[:0]}, "at least 1 sample"),
        ({"baseline": GOOD[:, :1], "candidate": GOOD[:, :1]}, "at least 1 sample and 2 classes"),
        ({"baseline": GOOD[0], "candidate": GOOD[0]}, r"shape \(samples, classes\)"),
        ({"class_names": ("a", "b")}, "3 class names, one per output, got 2"),
        ({"baseline": with_value(np.nan)}, "finite outputs from the baseline.*1 of 2 samples .first at sample 1"),
        ({"candidate": with_value(-np.inf)}, "finite outputs from the candidate"),
        ({"labels": np.array([0])}, r"2 labels, one per sample, got labels of shape \(1,\)"),
        ({"labels": np.array([0, 3])}, r"labels from 0 to 2, got 3 \(sample 1\)"),
        ({"labels": np.array([-1, 0])}, r"labels from 0 to 2, got -1 \(sample 0\)"),
        ({"labels": np.array([0.0, 1.0])}, "integer labels, got float64 labels"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_sentence(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        pair_of(**changed)


def test_scores_agree_with_a_full_softmax(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=3000, c=700)  # several blocks
    probabilities = softmax(pair.candidate.astype(np.float64), axis=1)
    ranked = np.sort(probabilities, axis=1)
    scores = pair.candidate_scores
    np.testing.assert_array_equal(scores.predicted, pair.candidate.argmax(axis=1))
    np.testing.assert_allclose(scores.confidence, ranked[:, -1], rtol=1e-12)
    np.testing.assert_allclose(scores.margin, ranked[:, -1] - ranked[:, -2], atol=1e-12)
    np.testing.assert_allclose(scores.truth.nll, -np.log(probabilities[np.arange(3000), pair.labels]), rtol=1e-10)
    np.testing.assert_allclose(scores.truth.brier, ((probabilities - np.eye(700)[pair.labels]) ** 2).sum(axis=1))
    own = pair.candidate[np.arange(3000), pair.labels][:, None]
    np.testing.assert_array_equal(scores.truth.rank, (pair.candidate > own).sum(axis=1))


def test_a_certain_model_that_is_wrong_has_a_finite_loss() -> None:
    pair = pair_of(candidate=GOOD * 1e30)
    assert np.isfinite(pair.candidate_scores.truth.nll).all()
    zeros = pair_of(baseline=np.eye(3, dtype=np.float32)[[2, 0]], candidate=np.eye(3, dtype=np.float32)[[2, 0]])
    assert zeros.baseline_scores.truth.nll.tolist() == pytest.approx([15.94, 15.94], abs=0.01)


def test_two_equal_largest_outputs_leave_no_margin() -> None:
    tied = pair_of(candidate=np.array([[5.0, 5.0, 0.0], [1.0, 1.0, 1.0]], dtype=np.float32))
    assert tied.candidate_scores.predicted.tolist() == [0, 0]
    assert tied.candidate_scores.margin.tolist() == [0, 0]


def test_memory_stays_below_one_float64_copy_of_the_logits(make_pair: Callable[..., LogitPair]) -> None:
    import tracemalloc

    pair = make_pair(n=6000, c=1000)
    tracemalloc.start()
    assert pair.baseline_scores.confidence.shape == pair.candidate_scores.confidence.shape
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pair.baseline.size * 8
