from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from compress_onnx.metrics.confusion import confusion_change, confusion_counts, most_changed
from compress_onnx.metrics.pair import LogitPair


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40))
def test_counts_agree_with_scikit_learn(samples: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in samples], dtype=np.int64)
    classes = np.array([predicted for _, predicted in samples], dtype=np.int64)
    counts = confusion_counts(labels, classes, 4)
    reference = confusion_matrix(labels, classes, labels=range(4)) if samples else np.zeros((4, 4))
    assert counts.tolist() == reference.tolist()


def test_both_models_are_counted_over_the_same_labels(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    change = confusion_change(pair)
    assert np.array(change.counts_baseline).sum(axis=1).tolist() == np.bincount(pair.labels).tolist()
    reference = confusion_matrix(pair.labels, pair.candidate.argmax(axis=1))
    assert np.array(change.counts_candidate).tolist() == reference.tolist()


def test_small_integer_labels_do_not_overflow(make_pair: Callable[..., LogitPair]) -> None:
    import dataclasses

    pair = make_pair(n=500, c=100)
    small = dataclasses.replace(pair, labels=pair.labels.astype(np.uint8))
    assert confusion_change(small) == confusion_change(pair)


def test_without_labels_there_is_no_confusion(make_pair: Callable[..., LogitPair]) -> None:
    assert confusion_change(make_pair(labelled=False)) is None


@pytest.mark.parametrize("k", [0, 3, 1000])
def test_the_largest_changes_come_first_and_right_predictions_never(
    make_pair: Callable[..., LogitPair], k: int
) -> None:
    pair = make_pair()
    change = confusion_change(pair)
    listed = most_changed(change, pair.class_names, k)
    moved = np.array(change.counts_candidate) - np.array(change.counts_baseline)
    np.fill_diagonal(moved, 0)
    expected = sorted((abs(int(m)) for m in moved.flat if m), reverse=True)[:k]
    assert [abs(entry.change) for entry in listed] == expected
    for entry in listed:
        row, column = pair.class_names.index(entry.true_class), pair.class_names.index(entry.predicted_class)
        assert entry.change == moved[row, column]
        assert row != column
