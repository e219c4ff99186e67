from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from compress_onnx.metrics.accuracy import accuracy_change
from compress_onnx.metrics.intervals import paired_difference, wilson
from compress_onnx.metrics.pair import LogitPair


def test_accuracy_agrees_with_scikit_learn(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    change = accuracy_change(pair)
    baseline = accuracy_score(pair.labels, pair.baseline.argmax(axis=1))
    candidate = accuracy_score(pair.labels, pair.candidate.argmax(axis=1))
    assert (change.baseline.value, change.candidate.value) == (baseline, candidate)
    assert change.change.value == pytest.approx(candidate - baseline)
    assert change.change.n == pair.n


def test_intervals_are_those_of_the_counts(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    change = accuracy_change(pair)
    assert change.baseline.interval == wilson(pair.counts.baseline, pair.n)
    assert change.change.interval == paired_difference(pair.counts)


def test_pairing_narrows_the_change_of_a_model_that_hardly_changed(make_pair: Callable[..., LogitPair]) -> None:
    change = accuracy_change(make_pair(noise=0.05))
    unpaired = change.baseline.interval.high - change.baseline.interval.low
    assert change.change.interval.high - change.change.interval.low < 0.5 * unpaired


def test_without_labels_every_measure_says_so(make_pair: Callable[..., LogitPair]) -> None:
    change = accuracy_change(make_pair(labelled=False))
    for measure in (change.baseline, change.candidate, change.change):
        assert measure.value is None
        assert measure.undefined_reason == "the data has no labels"


def test_one_sample_is_enough(make_pair: Callable[..., LogitPair]) -> None:
    change = accuracy_change(make_pair(n=1))
    assert change.change.n == 1
    assert np.isfinite([change.change.interval.low, change.change.interval.high]).all()
