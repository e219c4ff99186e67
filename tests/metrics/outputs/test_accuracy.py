from collections.abc import Callable

import numpy as np
import pytest

from compress_onnx.metrics.outputs.accuracy import accuracy_change
from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.metrics.statistics.intervals import paired_difference, proportion_interval

sklearn_metrics = pytest.importorskip("sklearn.metrics")
accuracy_score = sklearn_metrics.accuracy_score
top_k_accuracy_score = sklearn_metrics.top_k_accuracy_score


def test_accuracy_agrees_with_scikit_learn(make_pair: Callable[..., LogitPair]) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    pair = make_pair()
    change = accuracy_change(pair)
    baseline = sklearn_metrics.accuracy_score(pair.labels, pair.baseline.argmax(axis=1))
    candidate = sklearn_metrics.accuracy_score(pair.labels, pair.candidate.argmax(axis=1))
    assert (change.baseline.value, change.candidate.value) == (baseline, candidate)
    assert change.change.value == pytest.approx(candidate - baseline)
    assert change.change.n == pair.n


def test_intervals_are_those_of_the_counts(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    change = accuracy_change(pair)
    assert change.baseline.interval == proportion_interval(pair.counts.baseline, pair.n)
    assert change.change.interval == paired_difference(pair.counts)


def test_pairing_narrows_the_change_of_a_model_that_hardly_changed(make_pair: Callable[..., LogitPair]) -> None:
    change = accuracy_change(make_pair(noise=0.05))
    unpaired = change.baseline.interval.high - change.baseline.interval.low
    assert change.change.interval.high - change.change.interval.low < 0.5 * unpaired


def test_without_labels_every_measure_says_so(make_pair: Callable[..., LogitPair]) -> None:
    change = accuracy_change(make_pair(labeled=False))
    measures = (change.baseline, change.candidate, change.change)
    for measure in (*measures, change.top5_baseline, change.top5_candidate, change.top5_change):
        assert measure.value is None
        assert measure.undefined_reason == "the data has no labels"


def test_one_sample_is_enough(make_pair: Callable[..., LogitPair]) -> None:
    change = accuracy_change(make_pair(n=1))
    assert change.change.n == 1
    assert np.isfinite([change.change.interval.low, change.change.interval.high]).all()


def test_top_5_agrees_with_scikit_learn(make_pair: Callable[..., LogitPair]) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    pair = make_pair(c=12)
    change = accuracy_change(pair)
    baseline, candidate = (
        sklearn_metrics.top_k_accuracy_score(pair.labels, outputs, k=5, labels=range(12))
        for outputs in (pair.baseline, pair.candidate)
    )
    assert (change.top5_baseline.value, change.top5_candidate.value) == (baseline, candidate)
    assert change.top5_change.value == pytest.approx(candidate - baseline)
    assert change.top5_change.interval.low < change.top5_change.value < change.top5_change.interval.high


def test_equal_outputs_are_placed_by_their_index() -> None:
    equal = np.zeros((7, 7), dtype=np.float32)
    pair = LogitPair(labels=np.arange(7), baseline=equal, candidate=equal, class_names=tuple("abcdefg"))
    change = accuracy_change(pair)
    assert change.baseline.value == pytest.approx(1 / 7)
    assert change.top5_baseline.value == pytest.approx(5 / 7)


@pytest.mark.parametrize(("classes", "defined"), [(2, False), (5, False), (6, True)])
def test_top_5_of_five_classes_would_always_be_right(
    make_pair: Callable[..., LogitPair], classes: int, *, defined: bool
) -> None:
    top5 = accuracy_change(make_pair(c=classes)).top5_change
    assert (top5.value is not None) == defined
    assert defined or "5 classes or fewer" in top5.undefined_reason
