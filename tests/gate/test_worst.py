"""The worst class: its interval is a joint statement about all classes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.gate.policy import Rule
from compress_onnx.gate.verdict import judged
from compress_onnx.gate.worst import class_counts, corrected, worst_class_change
from compress_onnx.metrics.statistics.intervals import paired_difference
from compress_onnx.records.verdict import Outcome

RULE = Rule(metric="classes.worst.change", at_least=-0.05)
tables = st.lists(st.tuples(st.integers(20, 400), st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=6)


@given(tables=tables)
def test_it_passes_when_every_class_does_and_never_fails_alone(tables: list[tuple[int, int, int]], made: Any) -> None:
    results = [made.counted_class(str(k), n=n, lost=lost, won=won) for k, (n, lost, won) in enumerate(tables)]
    found = worst_class_change(results)
    assert found.interval is not None
    assert found.value == min(result.change.value for result in results)
    assert found.interval.low <= found.value <= found.interval.high
    outcome = judged(RULE, found)[0]
    each = [judged(RULE, result.change)[0] for result in results]
    assert (outcome is Outcome.PASS) == (set(each) == {Outcome.PASS})
    if outcome is Outcome.FAIL:
        assert Outcome.FAIL in each


@pytest.mark.parametrize("classes", [1, 10, 43])
def test_the_upper_bound_is_each_classes_at_a_corrected_level(classes: int, made: Any) -> None:
    result = made.counted_class("a", n=100, lost=12)
    counts = class_counts(result)
    assert counts is not None
    assert corrected(result, classes).interval == paired_difference(counts, 1 - 0.05 / classes)
    others = [made.counted_class(str(number), n=100, lost=0) for number in range(classes - 1)]
    found = worst_class_change([result, *others]).interval
    assert found is not None
    assert found.high == paired_difference(counts, 1 - 0.05 / classes).high


def test_without_counts_half_widths_are_stretched(made: Any) -> None:
    known = made.class_result("a", made.measure(-0.1, -0.15, -0.06))
    wider = corrected(known, 43).interval
    assert wider is not None
    # 3.2475 / 1.95996: the normal quantiles of 1 - 0.05/43 and 0.95, two-sided.
    assert wider.high == pytest.approx(-0.1 + 0.04 * 1.6570, abs=1e-4)


def test_counts_come_back_as_they_were(made: Any) -> None:
    counts = class_counts(made.counted_class("a", n=90, lost=7, won=3, right=0.8))
    assert counts is not None
    assert (counts.n, counts.only_baseline, counts.only_candidate, counts.baseline) == (90, 7, 3, 72)


def test_one_class_without_interval_leaves_all_without(made: Any) -> None:
    results = [made.class_result("a", made.measure(-0.1)), made.class_result("b", made.measure(0.0, -0.1, 0.1))]
    assert worst_class_change(results).interval is None


def test_classes_that_were_chosen_by_looking_are_corrected_for_all(made: Any) -> None:
    results = [made.counted_class(str(number), n=100, lost=number) for number in range(10)]
    chosen = worst_class_change(results[-1:], chosen_from=10).interval
    of_all = worst_class_change(results).interval
    assert chosen is not None
    assert of_all is not None
    assert chosen.high == of_all.high
