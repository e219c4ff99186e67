"""One row per sample and candidate."""

from __future__ import annotations

import numpy as np
import pytest

from compress_onnx.comparison.samples import sample_columns, shown_rows
from compress_onnx.metrics.outputs.pair import LogitPair

BASE = np.array([[3, 1, 0], [0, 2, 1], [1, 0, 2], [5, 0, 0]], dtype=np.float32)
CANDIDATE = np.array([[3, 0, 0], [0, 1, 2], [9, 0, 1], [0, 1, 0]], dtype=np.float32)
IDS = np.array(list("wxyz"))


def _pair(labels: list[int] | None) -> LogitPair:
    found = None if labels is None else np.array(labels)
    return LogitPair(labels=found, baseline=BASE, candidate=CANDIDATE, class_names=("a", "b", "c"))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(float))
    return powers / powers.sum(axis=1, keepdims=True)


def test_columns_say_what_both_models_said() -> None:
    columns = sample_columns("w8a8", IDS, _pair([0, 1, 0, 2]), deviation=np.full(4, np.nan, np.float32))
    assert columns["sample_id"].tolist() == list("wxyz")
    assert set(columns["candidate"]) == {"w8a8"}
    assert columns["label"].tolist() == [0, 1, 0, 2]
    assert columns["baseline_class"].tolist() == [0, 1, 2, 0]
    assert columns["candidate_class"].tolist() == [0, 2, 0, 1]
    assert columns["flip_kind"].tolist() == ["same", "negative", "positive", "lateral"]
    for side, logits in (("baseline", BASE), ("candidate", CANDIDATE)):
        ordered = np.sort(_softmax(logits), axis=1)
        assert columns[f"{side}_confidence"] == pytest.approx(ordered[:, -1], rel=1e-5)
        assert columns[f"{side}_margin"] == pytest.approx(ordered[:, -1] - ordered[:, -2], rel=1e-5)
    assert {column.dtype.kind for column in columns.values()} <= set("iUf")
    assert len({len(column) for column in columns.values()}) == 1


def test_unlabeled_samples_have_no_kind_but_a_flip() -> None:
    columns = sample_columns("w8a8", IDS, _pair(None), deviation=np.zeros(4, np.float32))
    assert columns["label"].tolist() == [-1] * 4
    assert columns["flip_kind"].tolist() == ["same", *["unlabeled"] * 3]


def test_the_surest_flips_are_shown() -> None:
    pair = _pair([0, 1, 0, 2])
    sureness = np.minimum(_softmax(BASE).max(axis=1), _softmax(CANDIDATE).max(axis=1))
    best = max([1, 2, 3], key=lambda row: sureness[row])
    assert shown_rows(pair, 1).tolist() == [best]
    assert shown_rows(pair, 9).tolist() == [1, 2, 3]
    assert shown_rows(pair, 0).tolist() == []
