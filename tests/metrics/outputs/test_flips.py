from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.metrics.outputs.accuracy import accuracy_change
from compress_onnx.metrics.outputs.flips import flip_kinds, flip_summary
from compress_onnx.metrics.outputs.pair import LogitPair

NAMES = ("a", "b", "c")


@st.composite
def pairs(draw: st.DrawFn) -> LogitPair:
    """Small pairs with many ties: outputs are whole numbers."""
    n = draw(st.integers(1, 25))
    outputs = st.lists(st.lists(st.integers(-1, 2), min_size=3, max_size=3), min_size=n, max_size=n)
    labels = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    baseline, candidate = (np.array(draw(outputs), dtype=np.float32) for _ in range(2))
    return LogitPair(labels=np.array(labels), baseline=baseline, candidate=candidate, class_names=NAMES)


def naive(baseline: int, candidate: int, label: int) -> str:
    if baseline == candidate:
        return "same"
    return {baseline: "negative", candidate: "positive"}.get(label, "lateral")


@given(pairs())
def test_kinds_and_counts_agree_with_a_loop(pair: LogitPair) -> None:
    classes = zip(pair.baseline.argmax(1).tolist(), pair.candidate.argmax(1).tolist(), pair.labels, strict=True)
    expected = [naive(*sample) for sample in classes]
    kinds = flip_kinds(pair.baseline_scores.predicted, pair.candidate_scores.predicted, pair.labels)
    assert kinds.tolist() == expected
    summary, count = flip_summary(pair), Counter(expected)
    assert (summary.negative, summary.positive, summary.lateral) == (
        count["negative"],
        count["positive"],
        count["lateral"],
    )
    assert summary.flips == pair.n - count["same"]


@given(pairs())
def test_kinds_sum_to_flips_and_explain_the_change_of_accuracy(pair: LogitPair) -> None:
    summary = flip_summary(pair)
    assert summary.negative + summary.positive + summary.lateral == summary.flips
    assert summary.rate.value == summary.flips / pair.n
    kinds = (summary.negative_rate.value, summary.positive_rate.value, summary.lateral_rate.value)
    assert sum(kinds) == pytest.approx(summary.rate.value)
    assert accuracy_change(pair).change.value == pytest.approx((summary.positive - summary.negative) / pair.n)


@given(pairs())
def test_swapping_the_models_turns_negatives_to_positives(pair: LogitPair) -> None:
    swapped = LogitPair(labels=pair.labels, baseline=pair.candidate, candidate=pair.baseline, class_names=NAMES)
    there, back = flip_summary(pair), flip_summary(swapped)
    assert (there.negative, there.positive, there.lateral) == (back.positive, back.negative, back.lateral)
    assert (there.rate, there.mcnemar_p) == (back.rate, back.mcnemar_p)


def test_without_labels_flips_are_counted_and_not_judged(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(labeled=False)
    summary = flip_summary(pair)
    assert summary.rate.value == np.mean(pair.baseline.argmax(1) != pair.candidate.argmax(1)) > 0
    assert (summary.negative, summary.positive, summary.lateral) == (None, None, None)
    for measure in (summary.mcnemar_p, summary.negative_rate, summary.positive_rate, summary.lateral_rate):
        assert (measure.value, measure.undefined_reason) == (None, "the data has no labels")


def test_without_labels_a_flip_is_unlabeled_and_the_rest_the_same() -> None:
    assert flip_kinds(np.array([0, 1]), np.array([0, 2]), None).tolist() == ["same", "unlabeled"]


def test_a_model_against_itself_has_no_flips_and_no_evidence(make_pair: Callable[..., LogitPair]) -> None:
    summary = flip_summary(make_pair(noise=0.0))
    assert (summary.flips, summary.rate.value, summary.mcnemar_p.value) == (0, 0.0, 1.0)
    assert summary.rate.interval.low == 0
    assert summary.rate.interval.high == pytest.approx(1 - 0.025 ** (1 / 600))  # 600 same ones have probability 2.5 %
