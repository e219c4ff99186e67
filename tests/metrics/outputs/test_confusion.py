from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.metrics.outputs.confusion import (
    MOST_CHANGED,
    confusion_change,
    confusion_counts,
    confusion_tables,
    most_changed,
)
from compress_onnx.metrics.outputs.pair import LogitPair

sklearn_metrics = pytest.importorskip("sklearn.metrics")
confusion_matrix = sklearn_metrics.confusion_matrix


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40))
def test_counts_agree_with_scikit_learn(samples: list[tuple[int, int]]) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    labels = np.array([label for label, _ in samples], dtype=np.int64)
    classes = np.array([predicted for _, predicted in samples], dtype=np.int64)
    counts = confusion_counts(labels, classes, 4)
    reference = sklearn_metrics.confusion_matrix(labels, classes, labels=range(4)) if samples else np.zeros((4, 4))
    assert counts.tolist() == reference.tolist()


def test_both_models_are_counted_over_the_same_labels(make_pair: Callable[..., LogitPair]) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    pair = make_pair()
    tables = confusion_tables(confusion_change(pair), len(pair.class_names))
    for table, outputs in zip(tables, (pair.baseline, pair.candidate), strict=True):
        assert table.tolist() == sklearn_metrics.confusion_matrix(pair.labels, outputs.argmax(axis=1)).tolist()


def test_only_cells_that_a_model_fills_are_kept(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=300, c=200)
    change = confusion_change(pair)
    cells = list(zip(change.true_class, change.predicted_class, strict=True))
    assert cells == sorted(set(cells))
    assert min(b + c for b, c in zip(change.baseline, change.candidate, strict=True)) > 0
    assert sum(change.baseline) == sum(change.candidate) == 300


def test_the_record_lists_what_changed_most(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=2000, c=8)
    change = confusion_change(pair)
    tables = confusion_tables(change, 8)
    assert change.most_changed == most_changed(*tables, pair.class_names, k=MOST_CHANGED)
    assert len(change.most_changed) == MOST_CHANGED


def test_small_integer_labels_do_not_overflow(make_pair: Callable[..., LogitPair]) -> None:
    import dataclasses

    pair = make_pair(n=500, c=100)
    small = dataclasses.replace(pair, labels=pair.labels.astype(np.uint8))
    assert confusion_change(small) == confusion_change(pair)


def test_without_labels_there_is_no_confusion(make_pair: Callable[..., LogitPair]) -> None:
    assert confusion_change(make_pair(labeled=False)) is None


@pytest.mark.parametrize("k", [0, 3, 1000])
def test_the_largest_changes_come_first_and_right_predictions_never(
    make_pair: Callable[..., LogitPair], k: int
) -> None:
    pair = make_pair()
    before, after = confusion_tables(confusion_change(pair), len(pair.class_names))
    listed = most_changed(before, after, pair.class_names, k=k)
    moved = after - before
    np.fill_diagonal(moved, 0)
    expected = sorted((abs(int(m)) for m in moved.flat if m), reverse=True)[:k]
    assert [abs(entry.change) for entry in listed] == expected
    for entry in listed:
        row, column = pair.class_names.index(entry.true_class), pair.class_names.index(entry.predicted_class)
        assert entry.change == moved[row, column]
        assert row != column
