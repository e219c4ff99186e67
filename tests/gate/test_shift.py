"""How measures moved between two runs: paired on the same images, else from two intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from compress_onnx.gate.shift import class_shifts, paired_shift, unpaired_shift
from compress_onnx.metrics.outputs.flips import flip_kinds

CLASSES = ("a", "b", "c")
FRACTIONS = (
    *("flips.rate", "flips.negative_rate", "flips.positive_rate", "flips.lateral_rate"),
    *("accuracy.change", "accuracy.candidate", "classes.a.change", "classes.b.recall_candidate"),
)


def rows(rng: np.random.Generator, n: int, *, baseline: Any = None, wrong: float = 0.3) -> dict[str, Any]:
    """A candidate's rows on n images, labels in turn."""
    labels = np.arange(n) % len(CLASSES)
    before = np.where(rng.random(n) < wrong, rng.integers(3, size=n), labels) if baseline is None else baseline
    after = np.where(rng.random(n) < wrong, rng.integers(3, size=n), labels)
    return {
        "label": labels,
        "baseline_class": before,
        "candidate_class": after,
        "flip_kind": flip_kinds(before, after, labels),
        "baseline_confidence": rng.random(n).astype(np.float32),
        "candidate_confidence": rng.random(n).astype(np.float32),
    }


def value(name: str, columns: dict[str, Any]) -> float:
    """The measure by its definition, in a plain loop."""
    found = []
    triples = zip(columns["label"], columns["baseline_class"], columns["candidate_class"], strict=True)
    for label, before, after in triples:
        if name.startswith("classes.") and CLASSES[label] != name.split(".")[1]:
            continue
        kind = str(flip_kinds(np.array([before]), np.array([after]), np.array([label]))[0])
        found.append(
            {
                "rate": before != after,
                "negative_rate": kind == "negative",
                "positive_rate": kind == "positive",
                "lateral_rate": kind == "lateral",
                "change": int(after == label) - int(before == label),
                "candidate": after == label,
                "recall_candidate": after == label,
            }[name.rpartition(".")[2]]
        )
    return float(np.mean(found))


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), n=st.integers(6, 30), name=st.sampled_from(FRACTIONS), shared=st.booleans())
def test_a_shift_is_the_difference_of_the_two_measures(seed: int, n: int, name: str, *, shared: bool) -> None:
    rng = np.random.default_rng(seed)
    earlier = rows(rng, n)
    now = rows(rng, n, baseline=earlier["baseline_class"] if shared else None)
    found = paired_shift(name, now, earlier, CLASSES)
    assert found is not None
    assert found.value == pytest.approx(value(name, now) - value(name, earlier))
    if found.interval is not None:
        assert found.interval.low <= found.value <= found.interval.high


def test_confidence_moves_by_the_paired_t_interval() -> None:
    rng = np.random.default_rng(0)
    now, earlier = rows(rng, 50), rows(rng, 50)
    found = paired_shift("confidence.mean_candidate", now, earlier, CLASSES)
    expected = stats.ttest_rel(now["candidate_confidence"].astype(float), earlier["candidate_confidence"].astype(float))
    bounds = expected.confidence_interval(0.95)
    assert found is not None
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((bounds.low, bounds.high))


def test_pairing_is_narrower_than_two_intervals_where_runs_agree() -> None:
    rng = np.random.default_rng(1)
    earlier = rows(rng, 600)
    now = {**earlier, "candidate_class": np.where(rng.random(600) < 0.02, 0, earlier["candidate_class"])}
    paired = paired_shift("accuracy.candidate", now, earlier, CLASSES)
    assert paired is not None
    assert paired.interval is not None
    half = 1.96 * math.sqrt(2 * 0.8 * 0.2 / 600)
    assert paired.interval.high - paired.interval.low < half


def test_what_is_no_mean_over_images_is_not_paired() -> None:
    columns = rows(np.random.default_rng(0), 9)
    for name in ("confidence.ece_candidate", "latency.speedup", "classes.unknown.change", "footprint.file_ratio"):
        assert paired_shift(name, columns, columns, CLASSES) is None


def test_every_class_moves_by_its_own_images() -> None:
    rng = np.random.default_rng(2)
    earlier = rows(rng, 90)
    now = rows(rng, 90, baseline=earlier["baseline_class"])
    for name, shift in zip(CLASSES, class_shifts(now, earlier, CLASSES), strict=True):
        expected = value(f"classes.{name}.change", now) - value(f"classes.{name}.change", earlier)
        assert (shift.class_name, shift.support) == (name, 30)
        assert shift.change.value == pytest.approx(expected)
        assert shift.lost is not None


def test_two_intervals_combine_by_square_and_add(made: Any) -> None:
    # Newcombe 1998 (Statistics in Medicine 17, 873-890), table II: 56/70 against 48/80, method 10.
    now, earlier = made.measure(0.8, 0.6918, 0.8776), made.measure(0.6, 0.4904, 0.7004)
    moved = unpaired_shift(now, earlier)
    assert moved.value == pytest.approx(0.2)
    assert moved.interval is not None
    assert (moved.interval.low, moved.interval.high) == pytest.approx((0.0524, 0.3339), abs=2e-3)


def test_without_a_value_or_interval_there_is_none(made: Any) -> None:
    assert unpaired_shift(made.measure(None), made.measure(0.5)).value is None
    assert unpaired_shift(made.measure(0.5), made.measure(None)).value is None
    moved = unpaired_shift(made.measure(0.5), made.measure(0.25, 0.2, 0.3))
    assert (moved.value, moved.interval) == (0.25, None)
